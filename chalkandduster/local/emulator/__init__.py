"""A Snowflake emulator: the real connector talks to it over HTTP, DuckDB answers.

It wraps fakesnow's server and closes the gaps that a checks engine meets: errors the connector understands, cancel, statement
timeouts, sessions that are safe to use at once, logins that can be refused, a statement log, latency, and loading of files.
"""

from chalkandduster.local.emulator.process import EmulatorAdmin, EmulatorError, EmulatorProcess, LoadedColumn, LoadedTable, StatementEntry

__all__ = ["EmulatorAdmin", "EmulatorError", "EmulatorProcess", "LoadedColumn", "LoadedTable", "StatementEntry"]
