"""The Snowflake connector, held to what a reader of tenants' warehouses may do.

Imported by the adapters that log in, and by nothing else: the connector takes half a second to import.
"""

from __future__ import annotations

from typing import Any

from snowflake.connector import SnowflakeConnection
from snowflake.connector.cursor import SnowflakeCursor
from snowflake.connector.session_manager import SessionManager


class FileTransferRefused(Exception):
    """The server answered a query with an order to move files between itself and this machine."""


class ReadingCursor(SnowflakeCursor):
    """A cursor that never moves files: PUT and GET are ordered by the server's reply, whatever was sent."""

    def _create_file_transfer_agent(self, *_arguments: Any, **_options: Any) -> Any:
        raise FileTransferRefused("The warehouse asked for a file transfer, which is never made.")


class StayingConnection(SnowflakeConnection):
    """A connection that follows no redirect: the host was checked, the place it points to was not."""

    @property
    def _session_manager(self) -> SessionManager | None:
        return self.__dict__.get("_staying_session_manager")

    @_session_manager.setter
    def _session_manager(self, manager: SessionManager | None) -> None:
        if manager is not None:
            make_session = manager.make_session

            def make_staying_session() -> Any:
                session = make_session()
                session.max_redirects = 0
                return session

            vars(manager)["make_session"] = make_staying_session
        self.__dict__["_staying_session_manager"] = manager
