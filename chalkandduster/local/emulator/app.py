"""The emulator's HTTP side: Snowflake's routes over fakesnow's handlers, and the admin routes the tests and the suite use."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hmac
import itertools
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import fakesnow.server as stock
import pyarrow.compute as pc
from fakesnow.transforms import stage
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.errors import TokenError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chalkandduster.local.emulator import loading
from chalkandduster.local.emulator.cursor import EmulatorAccount, EmulatorConnection, keep_null_timestamps
from chalkandduster.local.emulator.session import Session, Statement, StatementLog, failure, stopped_error
from chalkandduster.local.emulator.users import LoginRefusedError, Users

_OK = "SELECT 'Statement executed successfully.' AS \"status\""
Handler = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class Emulator:
    """The state of one emulator process."""

    account: EmulatorAccount
    users: Users
    admin_token: str | None
    """Admin routes answer only to this token; None closes them."""
    latency_s: float = 0.0
    """Added to each request of a client, in seconds."""
    log: StatementLog = field(default_factory=StatementLog)
    sessions: dict[str, Session] = field(default_factory=dict)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    # --- Snowflake's routes

    async def login(self, request: Request) -> Response:
        body = await _json_body(request)
        data = body.get("data") or {}
        try:
            user = self.users.check(data)
        except LoginRefusedError as refused:
            return JSONResponse({"data": {"nextAction": None}, "code": refused.code, "message": refused.message, "success": False})
        for name in ("databaseName", "schemaName"):
            value = request.query_params.get(name)
            if value and not loading.IDENTIFIER.fullmatch(value.strip('"')):
                return JSONResponse(failure(390201, "08004", f"The requested {name[:-4]} does not exist or not authorized."))
        # fakesnow's own session parameters would open files of the client's choice.
        parameters = {k: v for k, v in (data.get("SESSION_PARAMETERS") or {}).items() if k not in {"FAKESNOW_DB_PATH", "nop_regexes"}}
        answer = await stock.login_request(_with_body(request, {"data": {**data, "SESSION_PARAMETERS": parameters}}))
        return self._opened(request, user, parameters, answer)

    def _opened(self, request: Request, user: str, parameters: dict[str, Any], answer: Response) -> Response:
        content = json.loads(bytes(answer.body))
        token = content["data"]["token"]
        connection = cast(EmulatorConnection, stock.sessions[token])
        connection.context = {
            "CURRENT_WAREHOUSE": request.query_params.get("warehouse"),
            "CURRENT_ROLE": request.query_params.get("roleName") or "PUBLIC",
            "CURRENT_USER": user or None,
            "CURRENT_ACCOUNT": "EMULATOR",
            "CURRENT_REGION": "LOCAL",
        }
        self.sessions[token] = Session(next(self.numbers), user, connection, parameters)
        connection.context["CURRENT_SESSION"] = str(self.sessions[token].number)
        content["data"]["sessionId"] = self.sessions[token].number
        content["data"]["sessionInfo"] |= {
            "warehouseName": connection.context["CURRENT_WAREHOUSE"],
            "roleName": connection.context["CURRENT_ROLE"],
        }
        return JSONResponse(content)

    async def query(self, request: Request) -> Response:
        session = self.sessions.get(_token(request))
        if session is None:
            return await stock.query_request(request)  # answers Snowflake's "log in again"
        body = await _json_body(request)
        sql, parameters = str(body.get("sqlText") or ""), body.get("parameters") or {}
        statement = self.log.open(session, request.query_params.get("requestId", ""), sql, parameters)
        session.pending[statement.request_id] = statement
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with session.lock:
                answer = await self._run(request, session, statement, body)
        finally:
            session.pending.pop(statement.request_id, None)
            statement.duration_ms = round((loop.time() - began) * 1000, 3)
        return answer

    async def _run(self, request: Request, session: Session, statement: Statement, body: dict[str, Any]) -> Response:
        timeout_s = session.timeout_s(body.get("parameters") or {})
        if statement.stopped_by:
            return _refused(statement, stopped_error(statement, timeout_s))
        if count_statements(statement.sql) > 1:
            count = count_statements(statement.sql)
            message = f"Actual statement count {count} did not match the desired statement count 1."
            return _refused(statement, failure(8, "0A000", message))
        extra = session.absorb(statement.sql)
        watch = asyncio.create_task(session.interrupt_when_stopped(statement, timeout_s))
        try:
            answer = await stock.query_request(_with_body(request, body if extra is None else {**body, "sqlText": _OK, "bindings": None}))
        finally:
            watch.cancel()
        return _finished(statement, answer, extra, timeout_s)

    async def abort(self, request: Request) -> Response:
        session = self.sessions.get(_token(request))
        body = await _json_body(request)
        found = session is not None and session.abort(str(body.get("requestId") or ""), body.get("sqlText"))
        return JSONResponse({"data": None, "code": None if found else "000605", "message": None, "success": True})

    async def close(self, request: Request) -> Response:
        token = _token(request)
        answer = await stock.session(request)
        if request.query_params.get("delete") and (session := self.sessions.pop(token, None)):
            session.connection.close()
        return answer

    # --- Admin routes

    async def set_latency(self, request: Request) -> Response:
        self.latency_s = max(0.0, float((await _json_body(request))["ms"]) / 1000)
        return JSONResponse({"ms": self.latency_s * 1000})

    async def statements(self, request: Request) -> Response:
        return JSONResponse({"statements": self.log.after(int(request.query_params.get("after", "0")))})

    async def clear_statements(self, request: Request) -> Response:
        self.log.clear()
        return JSONResponse({})

    async def load(self, request: Request) -> Response:
        """Load a file of this machine: `{path, database, schema, table}`; an existing table is replaced."""
        body = await _json_body(request)
        names = [str(body[key]).upper() for key in ("database", "schema", "table")]
        if not all(loading.IDENTIFIER.fullmatch(name) for name in names):
            return JSONResponse({"error": "database, schema and table must be plain identifiers"}, status_code=400)
        try:
            return JSONResponse(await run_in_threadpool(self._load, Path(body["path"]), *names))
        except loading.LoadError as error:
            return JSONResponse({"error": str(error)}, status_code=400)

    def _load(self, path: Path, database: str, schema: str, table: str) -> dict[str, Any]:
        loaded = loading.read_file(path)
        connection = self.account.connect(database, schema)
        try:
            connection._duck_conn.register("_loaded", loaded.table)
            variants = ", ".join(f'"{name}"::JSON AS "{name}"' for name in loaded.variants)
            rows = f"SELECT * {f'REPLACE ({variants})' if variants else ''} FROM _loaded"  # noqa: S608
            connection._duck_conn.execute(f'CREATE OR REPLACE TABLE {database}.{schema}."{table}" AS {rows}')
            columns = connection.cursor().execute(f'DESCRIBE TABLE {database}.{schema}."{table}"').fetchall()
        finally:
            connection.close()
        described = [
            {"name": name, "type": kind, "missing": values.null_count, "distinct": pc.count_distinct(values).as_py()}
            for (name, kind, *_), values in zip(columns, loaded.table.columns, strict=True)
        ]
        return {"database": database, "schema": schema, "table": table, "rows": loaded.table.num_rows, "columns": described}

    # --- Wiring

    def delayed(self, handler: Handler) -> Handler:
        async def endpoint(request: Request) -> Response:
            if self.latency_s:
                await asyncio.sleep(self.latency_s)
            return await handler(request)

        return endpoint

    def guarded(self, handler: Handler) -> Handler:
        async def endpoint(request: Request) -> Response:
            given = request.headers.get("x-emulator-token", "")
            if not self.admin_token or not hmac.compare_digest(given.encode(), self.admin_token.encode()):
                return JSONResponse({"error": "admin token missing or wrong"}, status_code=403)
            return await handler(request)

        return endpoint


def build(db_path: Path, users: Users, admin_token: str | None, latency_s: float, when_ready: Callable[[], None]) -> Starlette:
    """The ASGI application over the databases in `db_path`, one file each, all of them open from the start.

    `when_ready` is called once requests are answered and a signal would be heard.
    """
    keep_null_timestamps()
    logging.getLogger("fakesnow.server").setLevel(logging.CRITICAL)
    instance = EmulatorAccount(db_path)
    for file in sorted(db_path.glob("*.db")):
        instance.connect(file.stem).close()
    # A client's statement may not read or write files of this machine; real Snowflake has no function that could.
    instance.duck_conn.execute(f"SET allowed_directories = ['{db_path}/', '{stage.LOCAL_BUCKET_PATH}/']")
    instance.duck_conn.execute("SET enable_external_access = false")
    stock.shared_fs = instance
    emulator = Emulator(instance, users, admin_token, latency_s)
    return Starlette(routes=_routes(emulator), lifespan=_lifespan(instance, when_ready), exception_handlers={Exception: _crashed})


def _routes(emulator: Emulator) -> list[Route]:
    client, admin = emulator.delayed, emulator.guarded
    return [
        Route("/session/v1/login-request", client(emulator.login), methods=["POST"]),
        Route("/session", client(emulator.close), methods=["POST"]),
        Route("/session/heartbeat", client(stock.session), methods=["POST"]),
        Route("/queries/v1/query-request", client(emulator.query), methods=["POST"]),
        Route("/queries/v1/abort-request", emulator.abort, methods=["POST"]),
        Route("/telemetry/send", _accepted, methods=["POST"]),
        Route("/fs_bucket/{path:path}", stock.bucket_upload, methods=["PUT"]),
        Route("/monitoring/queries/{sfqid}", stock.monitoring_query, methods=["GET"]),
        Route("/_emulator/health", _accepted, methods=["GET"]),
        Route("/_emulator/latency", admin(emulator.set_latency), methods=["POST"]),
        Route("/_emulator/statements", admin(emulator.statements), methods=["GET"]),
        Route("/_emulator/statements", admin(emulator.clear_statements), methods=["DELETE"]),
        Route("/_emulator/load", admin(emulator.load), methods=["POST"]),
    ]


def _lifespan(
    instance: EmulatorAccount, when_ready: Callable[[], None]
) -> Callable[[Starlette], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        when_ready()
        yield
        for session in list(stock.sessions.values()):
            session.close()
        instance.duck_conn.close()

    return lifespan


def count_statements(sql: str) -> int:
    """How many statements `sql` holds; a semicolon at the end, in a string or in a comment starts none."""
    if ";" not in sql.rstrip().rstrip(";"):
        return 1
    try:
        tokens = Snowflake().tokenize(sql)
    except TokenError:
        return 1  # the parser says what is wrong
    count, inside = 0, False
    for token in tokens:
        if token.token_type.name == "SEMICOLON":
            inside = False
        elif not inside:
            count, inside = count + 1, True
    return max(count, 1)


async def _accepted(_: Request) -> Response:
    return JSONResponse({"data": None, "code": None, "message": None, "success": True})


async def _crashed(_: Request, error: Exception) -> Response:
    return JSONResponse(failure(603, "XX000", f"SQL execution internal error: {type(error).__name__}"))


def _refused(statement: Statement, content: dict[str, Any]) -> Response:
    statement.error = content["code"]
    return JSONResponse(content)


def _finished(statement: Statement, answer: Response, extra: dict[str, str] | None, timeout_s: float | None) -> Response:
    body = bytes(answer.body)
    if answer.status_code >= 500:
        # The connector repeats a statement for ever on HTTP 500; fakesnow answers so for what it cannot do.
        return _refused(statement, failure(2, "0A000", "Unsupported feature: the local emulator cannot run this statement."))
    if body.endswith(b'"success":false}'):
        content = json.loads(body)
        if statement.stopped_by and content["code"] == "000604":
            content = stopped_error(statement, timeout_s)
        return _refused(statement, content)
    if extra:
        content = json.loads(body)
        content["data"] |= extra
        return JSONResponse(content)
    return answer


def _token(request: Request) -> str:
    """The token of `Authorization: Snowflake Token="…"`; empty when absent."""
    return request.headers.get("authorization", "")[17:-1]


async def _json_body(request: Request) -> dict[str, Any]:
    body = await request.body()
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    content: dict[str, Any] = json.loads(body or b"{}")
    return content


def _with_body(request: Request, content: dict[str, Any]) -> Request:
    """The same request with another body, for a handler of fakesnow's."""
    body = json.dumps(content).encode()
    headers = [(name, value) for name, value in request.scope["headers"] if name not in {b"content-encoding", b"content-length"}]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({**request.scope, "headers": headers}, receive)
