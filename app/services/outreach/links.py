"""The links that letters carry: ids in a signed token, nothing else."""

from urllib.parse import urlencode, urlsplit

from app.core.config import Settings
from app.models.base import PyObjectId
from app.models.proposal import ProposedTimes
from app.services.scheduling.wanted import as_query
from app.services.tokens import LinkTokens, TokenPurpose

API_PREFIX = "/api/v1"


class Links:
    """Makes links to the booking site and to this service's public pages."""

    def __init__(self, settings: Settings, tokens: LinkTokens) -> None:
        self._settings = settings
        self._tokens = tokens

    def booking_link(
        self,
        patient_id: PyObjectId,
        campaign_id: PyObjectId,
        proposed: ProposedTimes | None = None,
    ) -> str:
        """The booking page, knowing whom it is for (`booking_token`, valid for 60 days).

        It opens on the proposed times, where it is clear which those are.
        """
        token = self._tokens.issue(
            TokenPurpose.BOOKING, patient_id=str(patient_id), campaign_id=str(campaign_id)
        )
        page = self._settings.booking_page
        joint = "&" if urlsplit(page).query else "?"
        query = {"booking_token": token}
        if wanted := as_query(proposed):
            query["wanted"] = wanted
        return f"{page}{joint}{urlencode(query)}"

    def unsubscribe_link(self, patient_id: PyObjectId) -> str:
        """One-click unsubscribe (RFC 8058). The address is read from the patient at use."""
        token = self._tokens.issue(TokenPurpose.UNSUBSCRIBE, patient_id=str(patient_id))
        return f"{self._settings.base_url}{API_PREFIX}/unsubscribe/{token}"

    def manage_link(self, appointment_id: PyObjectId) -> str:
        """The operations with which a program sees, confirms, moves or cancels one visit."""
        token = self.visit_token(appointment_id)
        return f"{self._settings.base_url}{API_PREFIX}/appointments/manage/{token}"

    def visit_page(self, appointment_id: PyObjectId) -> str:
        """The page where a patient sees, confirms, moves or cancels one visit; for letters."""
        return self.visit_page_with(self.visit_token(appointment_id))

    def visit_page_with(self, token: str) -> str:
        """`visit_page` with a token that was read already: looking never makes a newer one."""
        return f"{self._settings.base_url}/visit/{token}"

    def calendar_file_with(self, token: str) -> str:
        """Where the visit of a token that was read already can be had as a calendar file."""
        return f"{self._settings.base_url}{API_PREFIX}/appointments/manage/{token}/calendar.ics"

    def visit_token(self, appointment_id: PyObjectId) -> str:
        """What opens one visit without an account, as an operation or as a page."""
        return self._tokens.issue(
            TokenPurpose.MANAGE_APPOINTMENT, appointment_id=str(appointment_id)
        )

    def waitlist_page(self, entry_id: PyObjectId, offer_key: str) -> str:
        """The page where an offer is accepted and the waitlist left; for letters."""
        token = self._tokens.issue(
            TokenPurpose.WAITLIST, waitlist_id=str(entry_id), offer_key=offer_key
        )
        return f"{self._settings.base_url}/waitlist/{token}"

    def booking_token(self, patient_id: PyObjectId) -> str:
        """What tells the booking page whom it is for, where no campaign is concerned."""
        return self._tokens.issue(TokenPurpose.BOOKING, patient_id=str(patient_id))
