"""Everything about imports, put together on top of the other parts."""

from dataclasses import dataclass
from typing import Self

from app.models.imports import ImportKind
from app.services.foundation import Foundation
from app.services.imports.conflicts import ConflictAlerts, ScheduleConflicts
from app.services.imports.desk import ImportDesk
from app.services.imports.intake import ImportIntake
from app.services.imports.missing import MissingVisitsSearch
from app.services.imports.patients import PatientImporter
from app.services.imports.processor import ImportProcessor
from app.services.imports.visit_batch import VisitBatchReader
from app.services.imports.visit_writes import VisitWrites
from app.services.imports.visits import VisitImporter
from app.services.patients import PatientDirectory
from app.services.scheduling.effects import AppointmentEffects
from app.services.work import WakeSignal


@dataclass(frozen=True)
class Imports:
    """Files of the practice's own system."""

    signal: WakeSignal
    intake: ImportIntake
    processor: ImportProcessor
    desk: ImportDesk
    conflicts: ScheduleConflicts

    @classmethod
    def build(
        cls,
        base: Foundation,
        directory: PatientDirectory,
        effects: AppointmentEffects,
        alerts: ConflictAlerts,
    ) -> Self:
        """On top of the others."""
        repositories, clock = base.repositories, base.clock
        signal = WakeSignal()
        writes = VisitWrites(repositories, effects, clock)
        conflicts = ScheduleConflicts(repositories, alerts, clock)
        visits = VisitImporter(
            repositories=repositories,
            reader=VisitBatchReader(repositories, base.clinic, clock),
            directory=directory,
            effects=effects,
            writes=writes,
            conflicts=conflicts,
            missing=MissingVisitsSearch(repositories, writes, conflicts, clock),
        )
        patients = PatientImporter(repositories, directory, base.clinic, clock)
        return cls(
            signal=signal,
            intake=ImportIntake(repositories, signal, clock),
            processor=ImportProcessor(
                repositories,
                {ImportKind.APPOINTMENTS: visits, ImportKind.PATIENTS: patients},
                clock,
            ),
            desk=ImportDesk(repositories),
            conflicts=conflicts,
        )
