"""The audit log, put together and read."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

from app.core.clock import Clock
from app.db.repositories.audit import AuditFilter, AuditRepository
from app.db.repositories.base import Page
from app.models.records import AuditEntry
from app.services.audit.trail import AuditTrail
from app.services.audit.verification import AuditVerification
from app.services.clinic import ClinicService
from app.services.foundation import Foundation
from app.services.scheduling.localtime import to_instant

SHOWN_DAYS = 7
"""How far back the log is read where neither a patient nor a member of staff is named."""


class AuditLog:
    """What administrators read."""

    def __init__(self, audit: AuditRepository, clinic: ClinicService, clock: Clock) -> None:
        self._audit = audit
        self._clinic = clinic
        self._clock = clock

    async def page(self, wanted: AuditFilter, *, page: int, limit: int) -> Page[AuditEntry]:
        """One page, newest first; times without an offset are the clinic's.

        A busy practice adds thousands of entries a day: without a patient or a member, it begins
        `SHOWN_DAYS` before its end. Raises the errors of local times.
        """
        zone = (await self._clinic.current()).zone
        until = to_instant(wanted.until, zone) if wanted.until else None
        since = to_instant(wanted.since, zone) if wanted.since else None
        if since is None and wanted.patient_id is None and wanted.actor is None:
            since = (until or self._clock.now()) - timedelta(days=SHOWN_DAYS)
        wanted = replace(wanted, since=since, until=until)
        return await self._audit.page(wanted, page=page, limit=limit)


@dataclass(frozen=True)
class AuditOffice:
    """What is recorded, who reads it, and whether it still holds."""

    trail: AuditTrail
    log: AuditLog
    verification: AuditVerification

    @classmethod
    def build(cls, base: Foundation) -> Self:
        """On top of the foundation."""
        audit, clock = base.repositories.audit, base.clock
        return cls(base.trail, AuditLog(audit, base.clinic, clock), AuditVerification(audit))
