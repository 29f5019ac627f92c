"""Campaigns as the dashboard shows them: rows with the patient's name, and one in full."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.clock import Clock
from app.db.repositories import Repositories
from app.db.repositories.base import Page
from app.db.repositories.campaigns import CampaignFilter
from app.db.repositories.patients import EXACT_UP_TO, PatientFilter
from app.models.base import PyObjectId
from app.models.campaign import Campaign, CampaignStatus, CampaignType
from app.models.patient import Patient
from app.schemas.campaigns import CampaignDetail, CampaignDetails, CampaignRow, HandoffRow
from app.schemas.interactions import InteractionRead
from app.services.clinic import ClinicService
from app.services.conversations import Conversations


@dataclass(frozen=True)
class CampaignRows:
    """One page of rows."""

    rows: list[CampaignRow]
    total_items: int
    total_is_lower_bound: bool


@dataclass(frozen=True)
class WaitingRows:
    """One page of what waits for a person."""

    rows: list[HandoffRow]
    total_items: int


class CampaignViews:
    """Reads campaigns together with what a screen needs beside them, without a query per row."""

    def __init__(
        self,
        repositories: Repositories,
        conversations: Conversations,
        clinic: ClinicService,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._conversations = conversations
        self._clinic = clinic
        self._clock = clock

    async def page(
        self,
        *,
        statuses: Sequence[CampaignStatus],
        campaign_type: CampaignType | None,
        q: str | None,
        newest_first: bool,
        page: int,
        limit: int,
    ) -> CampaignRows:
        """One page, narrowed; `q` as in `PatientFilter`, over the first `EXACT_UP_TO` patients."""
        like = await self._patients_like(q) if q else None
        wanted = CampaignFilter(
            statuses=statuses,
            campaign_type=campaign_type,
            patient_ids=[patient.id for patient in like.items] if like else None,
        )
        found = await self._repositories.campaigns.page(
            wanted, newest_first=newest_first, page=page, limit=limit
        )
        more = like is not None and like.total_is_lower_bound
        return CampaignRows(await self.rows(found.items), found.total_items, more)

    async def rows(
        self, campaigns: Sequence[Campaign], *, known: Patient | None = None
    ) -> list[CampaignRow]:
        """These campaigns with their patients' names; `known` is whose they all are, if read."""
        patients = {known.id: known} if known else await self._patients_of(campaigns)
        return [CampaignRow.of(c, patients.get(c.patient_id)) for c in campaigns]

    async def _patients_of(self, campaigns: Sequence[Campaign]) -> dict[PyObjectId, Patient]:
        return await self._repositories.patients.get_many(c.patient_id for c in campaigns)

    async def detail(self, campaign_id: PyObjectId) -> CampaignDetail:
        """One campaign and its conversation. Raises `CampaignNotFoundError`."""
        campaign = await self._conversations.campaign(campaign_id)
        patient = await self._repositories.patients.get(campaign.patient_id)
        said = await self._repositories.interactions.conversation(campaign_id)
        return CampaignDetail(
            campaign_details=CampaignDetails.of(campaign, patient),
            conversation_history=[InteractionRead.of(interaction) for interaction in said],
        )

    async def handoffs(self, *, page: int, limit: int) -> WaitingRows:
        """Campaigns that wait for a person: urgent first, then longest waiting."""
        found = await self._repositories.campaigns.attentions_page(page=page, limit=limit)
        clinic, now = await self._clinic.current(), self._clock.now()
        rows = await self.rows(found.items)
        waiting = [
            HandoffRow.waiting(row, one.since, one.since + clinic.time_to_answer(one.urgency), now)
            for row in rows
            if (one := row.attention)
        ]
        return WaitingRows(waiting, found.total_items)

    async def _patients_like(self, q: str) -> Page[Patient]:
        return await self._repositories.patients.page(PatientFilter(q=q), page=1, limit=EXACT_UP_TO)
