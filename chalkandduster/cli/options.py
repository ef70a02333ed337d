"""Options that many commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from chalkandduster.cli import session, suite
from chalkandduster.cli.session import Session, Target

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _inherited(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """What was given to the group counts for its command: `connections --tenant acme test warehouse`."""
    given = param.name is not None and ctx.get_parameter_source(param.name) is not ParameterSource.DEFAULT
    return value if given or ctx.parent is None else ctx.parent.params.get(param.name or "", value)


def _state_option(*flags: str) -> Callable[[_Command], _Command]:
    return click.option(
        *flags,
        "state",
        callback=_inherited,
        type=click.Path(path_type=Path, file_okay=False),
        default=suite.DEFAULT_STATE,
        envvar=suite.STATE_VARIABLE,
        show_default=True,
        help="Directory of the local suite.",
    )


state_option = _state_option("--state", "--state-dir")
# Where `--state` means the state of something else.
_state_dir_option = _state_option("--state-dir")
json_option = click.option("--json", "as_json", is_flag=True, callback=_inherited, help="Print JSON instead of a table.")
_target_options = (
    click.option(
        "--gateway",
        callback=_inherited,
        metavar="URL",
        help=f"Address of the gateway. Default: {session.GATEWAY_VARIABLE}, the local suite's, or {session.DEFAULT_GATEWAY}.",
    ),
    click.option(
        "--token",
        callback=_inherited,
        metavar="TOKEN",
        help=f"Bearer token. Default: {session.TOKEN_VARIABLE}, {session.API_KEY_VARIABLE} (an API key), or the local suite mints one.",
    ),
    click.option(
        "--tenant",
        callback=_inherited,
        metavar="NAME",
        help="Tenant to act in, by name or id. Default: the token's, or the only one there is.",
    ),
)


def target_options(command: _Command, state: Callable[..., Any] = state_option) -> Callable[..., Any]:
    """Gives a command the options that say where it goes; it gets them as `target`."""

    @functools.wraps(command)
    def with_target(*args: Any, gateway: str | None, token: str | None, tenant: str | None, state: Path, **kwargs: Any) -> Any:
        return command(*args, target=Target(gateway, token, tenant, state), **kwargs)

    decorated: Callable[..., Any] = state(with_target)
    for option in reversed(_target_options):
        decorated = option(decorated)
    return decorated


def session_options(command: _Command, state: Callable[..., Any] = state_option) -> Callable[..., Any]:
    """As `target_options`, for commands that get the `session` itself."""

    @functools.wraps(command)
    def with_session(*args: Any, target: Target, **kwargs: Any) -> Any:
        return command(*args, session=Session(target), **kwargs)

    return target_options(with_session, state)


def session_options_beside_state(command: _Command) -> Callable[..., Any]:
    """As `session_options`, for commands that have a `--state` of their own."""
    return session_options(command, _state_dir_option)
