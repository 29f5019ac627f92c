"""Every operation of version 1, under `/api/v1`. Each file of endpoints has one line here."""

from app.api.routes import PrefixRouter
from app.api.v1.endpoints import (
    auth,
    emergency,
    manage,
    public,
    second_factor,
    unsubscribe,
    waitlist,
    webhooks,
)
from app.api.v1.endpoints.admin import (
    appointments,
    audit,
    campaigns,
    chairs,
    clinic,
    dashboard,
    deliveries,
    events,
    handoffs,
    imports,
    interactions,
    knowledge,
    mailbox,
    messages,
    patients,
    providers,
    retention,
    schedule,
    services,
    staff,
    sweeps,
    time_off,
)
from app.api.v1.endpoints.admin import waitlist as admin_waitlist

admin = PrefixRouter(prefix="/admin")
admin.include_router(appointments.router)
admin.include_router(schedule.router)
admin.include_router(providers.router)
admin.include_router(chairs.router)
admin.include_router(services.router)
admin.include_router(time_off.router)
admin.include_router(clinic.router)
admin.include_router(knowledge.router)
admin.include_router(dashboard.router)
admin.include_router(campaigns.router)
admin.include_router(interactions.router)
admin.include_router(handoffs.router)
admin.include_router(patients.router)
admin.include_router(deliveries.router)
admin.include_router(messages.router)
admin.include_router(mailbox.router)
admin.include_router(events.router)
admin.include_router(sweeps.router)
admin.include_router(admin_waitlist.router)
admin.include_router(imports.router)
admin.include_router(staff.router)
admin.include_router(audit.router)
admin.include_router(retention.router)

# Routers are tried in this order and each costs time, so those that see the most traffic stand
# first; one whose prefix is not in the path is passed over (see `PrefixRouter`).
router = PrefixRouter(prefix="/api/v1")
router.include_router(webhooks.router)
router.include_router(public.router)
router.include_router(manage.router)
router.include_router(unsubscribe.router)
router.include_router(waitlist.router)
router.include_router(auth.way_in)
router.include_router(auth.router)
router.include_router(second_factor.router)
router.include_router(emergency.router)
router.include_router(admin)
