"""The Python client of the platform's API.

`Client` gives the generated stubs a channel with credentials, deadlines and errors that say what was wrong.
"""

from chalkandduster.client.client import Client, WaitTimeoutError
from chalkandduster.client.errors import ApiError, Violation

__all__ = ["ApiError", "Client", "Violation", "WaitTimeoutError"]
