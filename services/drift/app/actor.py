"""Who asks, and from where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.common.audit import AuditEvent, Outcome


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of a use case that changes something."""

    tenant_id: str
    subject: str
    is_person: bool
    """False for API keys and services."""
    action: str
    """The call as audit events name it, for example `drift.AcceptBaseline`."""
    remote_address: str = ""
    request_id: str = ""

    def did(
        self,
        resource_type: str,
        resource_id: str,
        *,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> AuditEvent:
        """Answer the audit event of a change, to be stored in the transaction of the change itself."""
        return AuditEvent(
            action=self.action,
            actor=self.subject,
            outcome=Outcome.ALLOWED,
            tenant_id=self.tenant_id,
            resource_type=resource_type,
            resource_id=resource_id,
            remote_address=self.remote_address,
            request_id=self.request_id,
            before=before,
            after=after,
        )
