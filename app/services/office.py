"""Staff accounts, their passwords and second factors, put together."""

from dataclasses import dataclass
from typing import Self

from app.services.emergency import EmergencyAccess
from app.services.factor_enrolment import FactorEnrolment
from app.services.foundation import Foundation
from app.services.outreach.alerts import StaffAlerts
from app.services.password_change import PasswordChanges
from app.services.staff import StaffAdministration


@dataclass(frozen=True)
class StaffOffice:
    """Who works here, and how they come in."""

    administration: StaffAdministration
    passwords: PasswordChanges
    factors: FactorEnrolment
    emergency: EmergencyAccess

    @classmethod
    def build(cls, base: Foundation, alerts: StaffAlerts) -> Self:
        """On top of the foundation, with a way to tell the others."""
        repositories, clock = base.repositories, base.clock
        passwords = PasswordChanges(
            repositories=repositories,
            hasher=base.hasher,
            sign_in=base.sign_in,
            limiter=base.limiter,
            clinic=base.clinic,
            settings=base.settings,
            clock=clock,
        )
        return cls(
            administration=StaffAdministration(repositories, base.hasher, base.leases, clock),
            passwords=passwords,
            emergency=EmergencyAccess(
                repositories=repositories,
                passwords=passwords,
                alerts=alerts,
                settings=base.settings,
                clock=clock,
            ),
            factors=FactorEnrolment(
                repositories=repositories,
                factors=base.second_factors,
                passwords=passwords,
                limiter=base.limiter,
                clinic=base.clinic,
                settings=base.settings,
                clock=clock,
            ),
        )
