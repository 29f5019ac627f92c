"""Campaigns as the dashboard shows them: rows with the patient's name, and one in full."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.db.repositories import Repositories
from app.db.repositories.campaigns import CampaignFilter
from app.db.repositories.patients import PatientFilter
from app.models.base import PyObjectId
from app.models.campaign import Campaign, CampaignStatus, CampaignType
from app.schemas.campaigns import CampaignDetail, CampaignDetails, CampaignRow, InteractionRead
from app.services.conversations import Conversations

MAX_PATIENTS_SEARCHED = 1000
"""A search is narrowed to this many patients: a longer prefix finds the rest."""


@dataclass(frozen=True)
class CampaignRows:
    """One page of rows."""

    rows: list[CampaignRow]
    total_items: int


class CampaignViews:
    """Reads campaigns together with what a screen needs beside them, without a query per row."""

    def __init__(self, repositories: Repositories, conversations: Conversations) -> None:
        self._repositories = repositories
        self._conversations = conversations

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
        """One page, narrowed; `q` is the beginning of a patient's name, address or phone."""
        wanted = CampaignFilter(
            statuses=statuses,
            campaign_type=campaign_type,
            patient_ids=await self._patients_like(q) if q else None,
        )
        order = [("updated_at", -1 if newest_first else 1)]
        found = await self._repositories.campaigns.page(wanted, sort=order, page=page, limit=limit)
        return CampaignRows(await self.rows(found.items), found.total_items)

    async def rows(self, campaigns: Sequence[Campaign]) -> list[CampaignRow]:
        """These campaigns with their patients' names."""
        patients = await self._repositories.patients.get_many(c.patient_id for c in campaigns)
        return [CampaignRow.of(c, patients.get(c.patient_id)) for c in campaigns]

    async def detail(self, campaign_id: PyObjectId) -> CampaignDetail:
        """One campaign and its conversation. Raises `CampaignNotFoundError`."""
        campaign = await self._conversations.campaign(campaign_id)
        patient = await self._repositories.patients.get(campaign.patient_id)
        said = await self._repositories.interactions.conversation(campaign_id)
        return CampaignDetail(
            campaign_details=CampaignDetails.of(campaign, patient),
            conversation_history=[InteractionRead.of(interaction) for interaction in said],
        )

    async def handoffs(self) -> list[CampaignRow]:
        """Every campaign that waits for a person: urgent first, then longest waiting."""
        return await self.rows(await self._repositories.campaigns.open_attentions())

    async def _patients_like(self, q: str) -> list[PyObjectId]:
        found = await self._repositories.patients.page(
            PatientFilter(q=q), page=1, limit=MAX_PATIENTS_SEARCHED
        )
        return [patient.id for patient in found.items]
