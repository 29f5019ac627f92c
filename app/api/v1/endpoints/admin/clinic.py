"""The practice itself and its booking rules."""

from app.api.deps import ClinicDep, DryRun, ReadAccess, ScheduleSettingsDep, SettingsAccess
from app.api.routes import PrefixRouter
from app.schemas.clinic import ClinicChanged, ClinicSettings, ClinicUpdate

router = PrefixRouter(prefix="/clinic", tags=["schedule settings"])


@router.get("", summary="The clinic's settings", operation_id="get_clinic_settings")
async def get_clinic_settings(_user: ReadAccess, clinic: ClinicDep) -> ClinicSettings:
    """What the environment gave an empty database, or what staff set since."""
    return ClinicSettings.model_validate(await clinic.current())


@router.patch("", summary="Change the clinic's settings", operation_id="update_clinic_settings")
async def update_clinic_settings(
    body: ClinicUpdate,
    _user: SettingsAccess,
    settings: ScheduleSettingsDep,
    *,
    dry_run: DryRun = False,
) -> ClinicChanged:
    """What is left out stays. Visits ahead that holidays or time zone no longer suit stay in the
    book and are listed.
    """
    fields = body.model_dump(exclude_unset=True)
    return ClinicChanged.of(*await settings.update_clinic(fields, dry_run=dry_run))
