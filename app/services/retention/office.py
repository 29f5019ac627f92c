"""What is kept about patients and for how long, put together."""

from dataclasses import dataclass
from typing import Self

from app.services.foundation import Foundation
from app.services.retention.disclosure import PatientDisclosure
from app.services.retention.erasure import PatientErasure
from app.services.retention.periods import RetentionPeriods


@dataclass(frozen=True)
class RetentionOffice:
    """A patient's right to know and to be forgotten, and the periods."""

    disclosure: PatientDisclosure
    erasure: PatientErasure
    periods: RetentionPeriods

    @classmethod
    def build(cls, base: Foundation) -> Self:
        """On top of the foundation."""
        repositories, clock = base.repositories, base.clock
        return cls(
            disclosure=PatientDisclosure(repositories, clock),
            erasure=PatientErasure(repositories, base.lifecycle, clock),
            periods=RetentionPeriods(repositories, base.leases, base.settings, clock),
        )
