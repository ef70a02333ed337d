"""How many calls one caller may make: the rate limits of the gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

ENV_PREFIX = "CHALKANDDUSTER_GATEWAY_RATE_"
RATE_LIMIT = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
# Callers that Envoy tells apart at the same time; the least recent is forgotten, and starts with a full bucket again.
MAX_CALLERS = 20_000
# An API key is checked by the services only, so random keys would each get a bucket of their own. One address may use the
# allowance of this many keys.
KEYS_PER_ADDRESS = 4
ALWAYS = {"runtime_key": "rate_limit", "default_value": {"numerator": 100, "denominator": "HUNDRED"}}


@dataclass(frozen=True, slots=True)
class Rate:
    """An allowance of calls that refills steadily."""

    burst: int
    """Calls that may come at once, at least 1."""
    per_second: int
    """Calls per second in the long run, at least 1."""

    def __post_init__(self) -> None:
        if self.burst < 1 or self.per_second < 1:
            raise ValueError(f"a rate needs at least 1 call and 1 call per second, not {self.burst}/{self.per_second}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `burst/per_second`, for example `200/100`; raises ValueError."""
        burst, separator, per_second = text.partition("/")
        if not (separator and burst.isdecimal() and per_second.isdecimal()):
            raise ValueError(f"expected <burst>/<per second>, for example 200/100, not {text!r}")
        return cls(int(burst), int(per_second))


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Allowances of one caller: the subject of a token, or an API key. The defaults fit a busy pipeline, not a flood."""

    default: Rate = Rate(200, 100)
    """All calls without a class of their own, together."""
    trigger: Rate = Rate(200, 50)
    """Calls that start a run: a night's schedule of a large team at once, yet no loop that fills the queue."""
    costly: Rate = Rate(30, 10)
    """Calls that log in to a warehouse or parse checks while the caller waits."""
    anonymous: Rate = Rate(1000, 1000)
    """Calls without a caller (health, reflection), of everybody together."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Reads `CHALKANDDUSTER_GATEWAY_RATE_{DEFAULT,TRIGGER,COSTLY,ANONYMOUS}`; raises ValueError with the variable's name."""
        found: dict[str, Rate] = {}
        for field in fields(cls):
            variable = ENV_PREFIX + field.name.upper()
            if text := environ.get(variable):
                try:
                    found[field.name] = Rate.parse(text)
                except ValueError as error:
                    raise ValueError(f"{variable}: {error}") from error
        return cls(**found)


def rate_limit_filter(name: str, rate: Rate, anonymous: Rate) -> dict[str, Any]:
    """Returns the configuration of Envoy's local rate limit: `rate` per caller, `anonymous` for all without one."""
    return {
        "@type": RATE_LIMIT,
        "stat_prefix": f"rate_limit_{name}",
        "token_bucket": _bucket(anonymous),
        "always_consume_default_token_bucket": False,
        "filter_enabled": ALWAYS,
        "filter_enforced": ALWAYS,
        "rate_limits": [{"actions": actions} for actions in (_SUBJECT, _API_KEY, _ADDRESS_WITH_API_KEY)],
        "descriptors": [
            # An entry without a value stands for every value, each with a bucket of its own.
            {"entries": [{"key": "subject"}], "token_bucket": _bucket(rate)},
            {"entries": [{"key": "api_key"}], "token_bucket": _bucket(rate)},
            {
                "entries": [{"key": "header_match", "value": "api_key"}, {"key": "remote_address"}],
                "token_bucket": _bucket(Rate(rate.burst * KEYS_PER_ADDRESS, rate.per_second * KEYS_PER_ADDRESS)),
            },
        ],
        "max_dynamic_descriptors": MAX_CALLERS,
        "rate_limited_as_resource_exhausted": True,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "enable_retry_after_header": True,
    }


_SUBJECT = [
    {
        "metadata": {
            "descriptor_key": "subject",
            "metadata_key": {"key": "envoy.filters.http.jwt_authn", "path": [{"key": "claims"}, {"key": "sub"}]},
        }
    }
]
_API_KEY = [{"request_headers": {"header_name": "x-api-key", "descriptor_key": "api_key"}}]
_ADDRESS_WITH_API_KEY = [
    {"header_value_match": {"descriptor_value": "api_key", "headers": [{"name": "x-api-key", "present_match": True}]}},
    {"remote_address": {}},
]


def _bucket(rate: Rate) -> dict[str, Any]:
    return {"max_tokens": rate.burst, "tokens_per_fill": rate.per_second, "fill_interval": "1s"}
