"""`validate`: are these checks SodaCL?"""

from __future__ import annotations

from pathlib import Path

import click

from chalkandduster.cli.errors import EXIT_FAILURE, CliError
from chalkandduster.cli.options import json_option, session_options
from chalkandduster.cli.output import as_dict, print_json, say
from chalkandduster.cli.session import Session
from chalkandduster.quality.v1.check_pb2 import ValidateChecksRequest


@click.command(short_help="Parse the checks in a file without running them.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@session_options
@click.pass_context
def validate(ctx: click.Context, file: Path, as_json: bool, session: Session) -> None:
    """Parse the checks in FILE without running them: one line FILE:LINE:COLUMN: MESSAGE for each error, and exit code 1."""
    with session.platform_client() as client:
        answer = client.quality.ValidateChecks(ValidateChecksRequest(checks_yaml=read_text(file)))
    if as_json:
        print_json(as_dict(answer))
    elif answer.valid:
        say(f"{file}: {len(answer.checks)} {'check' if len(answer.checks) == 1 else 'checks'}, no errors")
    else:
        for error in answer.errors:
            say(f"{file}:{error.line}:{error.column}: {error.message}")
    ctx.exit(0 if answer.valid else EXIT_FAILURE)


def read_text(file: Path) -> str:
    """The text of a file. Raises CliError if it cannot be read or is not UTF-8."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CliError(f"{file} is not a text in UTF-8") from error
    except OSError as error:
        raise CliError(f"{file} cannot be read: {error.strerror}") from error
