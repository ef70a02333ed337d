"""How commands fail: one sentence on stderr and an exit code, never a traceback."""

from __future__ import annotations

import os
import sys
from typing import Any

import click
import grpc

from chalkandduster.cli.text import clean
from chalkandduster.client import ApiError, WaitTimeoutError

EXIT_FAILURE = 1
# Where exit codes tell verdicts, all that is no verdict has a code of its own.
EXIT_NO_VERDICT = 3
_EXIT_INTERRUPTED = 130


class CliError(click.ClickException):
    """What went wrong, in one sentence for the user; `lines` follow it, one problem each."""

    def __init__(self, message: str, *lines: str, code: int = EXIT_FAILURE) -> None:
        super().__init__(message)
        self.lines = lines
        self.code = code

    def format_message(self) -> str:
        return "\n".join([self.message, *(f"  {line}" for line in self.lines)])


class RootGroup(click.Group):
    """The root command: shows every failure that a user can cause in the same way."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As click's, but for how failures are shown. Always ends the process."""
        kwargs["standalone_mode"] = False
        try:
            result = super().main(*args, **kwargs)
        except click.ClickException as error:
            if isinstance(error, click.exceptions.NoArgsIsHelpError):
                error.show()
            else:
                click.echo(f"error: {clean(_message(error))}", err=True)
            sys.exit(error.code if isinstance(error, CliError) else error.exit_code)
        except click.Abort:
            click.echo("interrupted", err=True)
            sys.exit(_EXIT_INTERRUPTED)
        except BrokenPipeError:  # `chalkandduster runs | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_FAILURE)
        # Help and --version answer their exit code, commands answer nothing.
        sys.exit(result if isinstance(result, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        """As click's, with the errors of the API as errors of the command."""
        try:
            return super().invoke(ctx)
        except (ApiError, WaitTimeoutError) as error:
            raise as_cli_error(error) from error


class VerdictCommand(click.Command):
    """A command whose exit code is a verdict: whatever else goes wrong ends with `EXIT_NO_VERDICT`."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """As click's."""
        try:
            return super().make_context(*args, **kwargs)
        except click.ClickException as error:
            raise CliError(_message(error), code=EXIT_NO_VERDICT) from error

    def invoke(self, ctx: click.Context) -> Any:
        """As click's."""
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            raise CliError(_message(error), code=EXIT_NO_VERDICT) from error
        except (ApiError, WaitTimeoutError) as error:
            raise as_cli_error(error, EXIT_NO_VERDICT) from error


def as_cli_error(error: ApiError | WaitTimeoutError, code: int = EXIT_FAILURE) -> CliError:
    """The error of a call as a command shows it."""
    if isinstance(error, WaitTimeoutError):
        return CliError(str(error), code=code)
    listed = [f"{violation.field}: {violation.description}" for violation in error.violations]
    # A single one is often the sentence itself.
    violations = [line for line in listed if line not in error.message]
    return CliError(explain(error), *violations, code=code)


def explain(error: ApiError) -> str:
    """One sentence for an error of the API. Errors that stem from the way there, not from a service, get a hint."""
    if error.reason:
        return error.message
    if error.code is grpc.StatusCode.UNAVAILABLE:
        return f"the gateway cannot be reached ({error.message}); is the suite running, and is --gateway right?"
    if error.code is grpc.StatusCode.UNAUTHENTICATED:
        return f"the gateway refused the token ({error.message}); it may have expired: get a new one"
    if error.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return "the gateway gave no answer in time"
    return f"{error.code.name}: {error.message}"


def _message(error: click.ClickException) -> str:
    message = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        one_line = " ".join(message.split()).rstrip(".")
        return f"{one_line}; see '{error.ctx.command_path} --help'"
    return message
