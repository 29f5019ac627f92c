"""The practice itself: its name, its clock, its booking rules."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ValidationError

from app.core.config import Settings
from app.core.errors import UnprocessableError
from app.db.repositories import Repositories
from app.models.schedule import Clinic
from app.services.phones import to_e164


class InvalidSettingError(UnprocessableError):
    """A setting that breaks one of the model's rules; the sentence says which."""

    slug = "invalid-setting"
    title = "This setting is not possible"

    @classmethod
    def of(cls, error: ValidationError) -> Self:
        """The first rule that is broken, and of which field where it is one field's."""
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        sentence = first["msg"].removeprefix("Value error, ")
        field = first["loc"][0] if first["loc"] else None
        return cls(f"{field}: {sentence}" if field else sentence)


class ClinicService:
    """Reads and changes the one `clinic` document.

    It is read afresh every time (one indexed query): a change by one process holds for the next
    request of every other. Background work, which may as well have begun a moment before, takes
    what was read within the last second (`recent`).
    """

    def __init__(self, repositories: Repositories, settings: Settings) -> None:
        self._clinics = repositories.clinic
        self._settings = settings

    async def current(self) -> Clinic:
        """The stored clinic; an empty database gets the environment's defaults, once."""
        return await self._clinics.current() or await self._clinics.create_first(self._defaults())

    async def recent(self) -> Clinic:
        """The clinic as it stood at most a second ago."""
        return await self._clinics.recent() or await self.current()

    async def update(self, fields: Mapping[str, Any]) -> Clinic:
        """Change some of it; the clinic as it is now. Raises what `preview` raises."""
        changed = await self.preview(fields)
        stored = changed.to_stored()
        await self._clinics.set_fields(changed.id, {name: stored[name] for name in fields})
        return await self.current()

    async def preview(self, fields: Mapping[str, Any]) -> Clinic:
        """The clinic as it would be; changes nothing.

        Raises `InvalidSettingError`, and `InvalidPhoneError` where nobody could call the number: it
        stands in every letter, as it was typed.
        """
        clinic = await self.current()
        try:
            changed = Clinic.model_validate({**clinic.to_stored(), **fields})
        except ValidationError as error:
            raise InvalidSettingError.of(error) from error
        if "phone" in fields:
            to_e164(changed.phone, changed.country)
        return changed

    def _defaults(self) -> Clinic:
        settings = self._settings
        return Clinic(
            name=settings.clinic_name,
            phone=settings.clinic_phone,
            address=settings.clinic_address,
            timezone=settings.clinic_timezone,
            country=settings.clinic_country,
            currency=settings.clinic_currency,
            booking_horizon_days=settings.booking_horizon_days,
            booking_lead_minutes=settings.booking_lead_minutes,
            slot_grid_minutes=settings.slot_grid_minutes,
            allow_new_patient_booking=settings.allow_new_patient_booking,
            self_service_notice_minutes=settings.self_service_notice_minutes,
            reminder_minutes_before=settings.reminder_minutes_before,
        )
