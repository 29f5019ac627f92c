"""Letters as a patient would get them, for staff to look at. Nothing is stored and nothing sent."""

from collections.abc import Callable
from dataclasses import dataclass

from app.core.config import Settings
from app.models.base import PyObjectId, new_id
from app.models.campaign import Campaign, CampaignOrigin, CampaignType, FollowUpDetails
from app.models.patient import Patient, PatientType, Treatment, name_key
from app.models.schedule import Clinic
from app.models.voice import ClinicVoice, LetterKind
from app.services.clinic import ClinicService
from app.services.outreach.composer import Composer
from app.services.outreach.letters import DEFAULT_LANGUAGE, Letter
from app.services.patient_records import PatientRecords


@dataclass(frozen=True)
class PreviewRequest:
    """Which letter, to whom: somebody on file, or a made-up patient of these few facts."""

    kind: LetterKind
    campaign_type: CampaignType
    attempt: int
    language: str | None
    patient_id: PyObjectId | None
    patient_name: str
    initial_inquiry: str | None
    last_treatment: str | None
    answer: str
    voice: ClinicVoice | None
    """The voice to try; `None`: the practice's own."""


class LetterPreview:
    """Composes with the composer that everything else composes with."""

    def __init__(
        self,
        *,
        composer: Composer,
        clinic: ClinicService,
        records: PatientRecords,
        settings: Settings,
    ) -> None:
        self._composer = composer
        self._clinic = clinic
        self._records = records
        self._settings = settings

    async def show(self, wanted: PreviewRequest) -> Letter:
        """The letter. Raises `PatientNotFoundError`.

        Its links are of nobody: whoever follows one changes nothing for a real patient.
        """
        clinic = await self._clinic.current()
        if wanted.voice is not None:
            clinic = clinic.model_copy(update={"voice": wanted.voice})
        patient = await self._patient(wanted)
        campaign = Campaign(
            patient_id=patient.id,
            campaign_type=wanted.campaign_type,
            origin=CampaignOrigin.STAFF,
            follow_up_details=FollowUpDetails(max_attempts=self._settings.max_attempts),
        )
        return self._writer(wanted, clinic, patient, campaign)()

    async def _patient(self, wanted: PreviewRequest) -> Patient:
        if wanted.patient_id is not None:
            known = await self._records.get(wanted.patient_id)
            language = wanted.language or known.language
            return known.model_copy(update={"id": new_id(), "language": language})
        treatments = [wanted.last_treatment] if wanted.last_treatment else []
        return Patient(
            name=wanted.patient_name,
            name_key=name_key(wanted.patient_name),
            patient_type=PatientType.COLD_LEAD,
            initial_inquiry=wanted.initial_inquiry,
            treatment_history=[Treatment(procedure_name=name) for name in treatments],
            language=wanted.language or DEFAULT_LANGUAGE,
        )

    def _writer(
        self, wanted: PreviewRequest, clinic: Clinic, patient: Patient, campaign: Campaign
    ) -> Callable[[], Letter]:
        composer = self._composer
        writers: dict[LetterKind, Callable[[], Letter]] = {
            LetterKind.OUTREACH: lambda: composer.outreach(
                clinic, patient, campaign, wanted.attempt
            ),
            LetterKind.BOOKING_LINK: lambda: composer.booking_link(clinic, patient, campaign),
            LetterKind.ANSWER: lambda: composer.answer(clinic, patient, campaign, wanted.answer),
            LetterKind.CLOSING: lambda: composer.closing(clinic, patient),
            LetterKind.HANDOFF_NOTICE: lambda: composer.handoff_notice(clinic, patient),
            LetterKind.EMERGENCY: lambda: composer.emergency(clinic, patient),
            LetterKind.OPT_OUT_RECEIPT: lambda: composer.opt_out_receipt(clinic, patient),
        }
        return writers[wanted.kind]
