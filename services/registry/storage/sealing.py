"""The kit's sealing, in the bytes that a row holds."""

from __future__ import annotations

from services.common.sealing import SealedSecret, Sealer


class RowSealer:
    """Seals for one tenant and one name, which holds the version."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, tenant_id: str, name: str, plaintext: bytes) -> bytes:
        """The sealed bytes."""
        return self._sealer.seal(tenant_id, name, plaintext).to_bytes()

    def open(self, tenant_id: str, name: str, sealed: bytes) -> bytes:
        """The secret. Raises SealingError for another row's, and when the wrapping key is not there."""
        return self._sealer.open(tenant_id, name, SealedSecret.from_bytes(sealed))
