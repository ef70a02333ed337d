"""A few lines over HTTP: what the demo needs of the API, as any REST client would call it."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

import httpx

from chalkandduster.local.supervisor import SuiteError

_CALL_LIMIT_S = 30.0
_POLL_S = 0.1
# A gateway that has just started may not have heard from every service yet.
_NOT_READY = frozenset({502, 503})
_NOT_READY_LIMIT_S = 20.0
_ENDED = frozenset({"SUCCEEDED", "ERRORED", "CANCELLED"})


class Rest:
    """Calls the API with one bearer token. Every method raises SuiteError with the API's own message."""

    def __init__(self, gateway_url: str, token: str) -> None:
        headers = {"authorization": f"Bearer {token}"}
        # Proxies of the environment do not know this machine.
        self._client = httpx.Client(base_url=f"{gateway_url}/api/v1", headers=headers, timeout=_CALL_LIMIT_S, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, **query: str) -> dict[str, Any]:
        """One call; the answer's JSON."""
        end = time.monotonic() + _NOT_READY_LIMIT_S
        while True:
            try:
                response = self._client.request(method, path, json=body, params=query)
            except httpx.HTTPError as error:
                raise SuiteError(f"{method} {path} got no answer: {error}") from error
            if response.status_code not in _NOT_READY or time.monotonic() > end:
                break
            time.sleep(_POLL_S)
        if response.is_error:
            raise SuiteError(f"{method} {path} was refused with {response.status_code}: {_message(response)}")
        content: dict[str, Any] = response.json()
        return content

    def named(self, collection: str, name: str) -> dict[str, Any] | None:
        """The resource of that name, None if there is none."""
        found = self.call("GET", f"/{collection}", name=name).get(collection, [])
        return found[0] if found else None

    def ensure(self, collection: str, body: dict[str, Any]) -> dict[str, Any]:
        """The resource of that name with these fields: created, or brought up to date."""
        existing = self.named(collection, body["name"])
        if existing is None:
            return self.call("POST", f"/{collection}", body)
        changes = {key: value for key, value in body.items() if key != "name"}
        return self.call("PATCH", f"/{collection}/{existing['id']}", changes) if changes else existing

    def run_to_its_end(self, run_id: str, limit_s: float) -> dict[str, Any]:
        """Ask for the run until it has ended."""
        end = time.monotonic() + limit_s
        while (run := self.call("GET", f"/runs/{run_id}"))["state"] not in _ENDED:
            if time.monotonic() > end:
                raise SuiteError(f"run {run_id} did not end within {limit_s:.0f} s, it is {run['state']}")
            time.sleep(_POLL_S)
        return run


def _message(response: httpx.Response) -> str:
    try:
        content = response.json()
        fields = [
            f"{violation.get('field')}: {violation.get('description')}"
            for detail in content.get("details", [])
            for violation in detail.get("field_violations", detail.get("fieldViolations", []))
        ]
        return "; ".join([str(content.get("message", response.text)), *fields])
    except (ValueError, AttributeError):
        return response.text[:200]
