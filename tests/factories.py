"""Valid things with telling defaults; a test names only what it is about."""

import uuid
from typing import Any

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from app.core.config import Settings
from app.db.repositories import Repositories
from app.models.appointment import Appointment, CreatedFrom
from app.models.base import new_id
from app.models.campaign import Campaign, CampaignOrigin, CampaignType, FollowUpDetails
from app.models.merge import PatientMerge
from app.models.patient import Patient, PatientType, name_key
from app.models.role import StaffMember, StaffRole
from app.services.signing_key import SigningKeys

SECRET = "test-key-0123456789-abcdefghijklmnopqrstuvwxyz"
KEYS = SigningKeys(SECRET)


class BareSettings(Settings):
    """Settings that see neither the environment nor a `.env`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """See `BaseSettings`."""
        return (init_settings,)


def make_settings(**given: Any) -> Settings:
    """Settings from `given` and the defaults alone, on a database of their own."""
    base: dict[str, Any] = {
        "database_name": f"t_{uuid.uuid4().hex}",
        "jwt_secret_key": SECRET,
        "rate_limits": "on" if given.get("environment") == "production" else "off",
        "demo_data": False,
    }
    return BareSettings(**(base | given))


def make_staff(**given: Any) -> StaffMember:
    """A receptionist whose password nobody knows."""
    fields: dict[str, Any] = {
        "name": "Robin Reception",
        "email": f"staff-{uuid.uuid4().hex[:8]}@example.com",
        "role": StaffRole.FRONT_DESK,
        "hashed_password": "!",
    }
    return StaffMember(**(fields | given))


def make_patient(**given: Any) -> Patient:
    """Somebody who once asked and never came."""
    name = given.get("name", "Dana Smith")
    fields: dict[str, Any] = {
        "name": name,
        "name_key": name_key(name),
        "email": f"patient-{uuid.uuid4().hex[:8]}@example.com",
        "patient_type": PatientType.COLD_LEAD,
        "initial_inquiry": "Asked about teeth whitening.",
    }
    return Patient(**(fields | given))


def make_appointment(**given: Any) -> Appointment:
    """A visit booked by staff, that claims no time."""
    fields: dict[str, Any] = {
        "patient_id": new_id(),
        "provider_id": new_id(),
        "chair_id": new_id(),
        "service_id": "cleaning",
        "service_name": "Cleaning",
        "duration_minutes": 60,
        "created_from": CreatedFrom.MANUAL_ADMIN,
    }
    return Appointment(**(fields | given))


def make_campaign(**given: Any) -> Campaign:
    """A recovery campaign before its first message."""
    fields: dict[str, Any] = {
        "patient_id": new_id(),
        "campaign_type": CampaignType.RECOVERY,
        "origin": CampaignOrigin.STAFF,
        "follow_up_details": FollowUpDetails(max_attempts=4),
    }
    return Campaign(**(fields | given))


async def begin_merge(repositories: Repositories, goes: Patient, stays: Patient) -> None:
    """As far as the record that goes is removed, and nothing of it has changed hands yet."""
    merge = PatientMerge(
        id=goes.id,
        survivor_id=stays.id,
        by="staff:x",
        parties=[stays.id, goes.id],
        taken=goes,
        created_at=goes.created_at,
        updated_at=goes.created_at,
    )
    await repositories.patient_merges.begin(merge)
    assert await repositories.patients.remove_as_read(goes)
