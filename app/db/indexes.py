"""Every index, created idempotently at start. The unique ones are the invariants of data.md.

Partial filters use only what MongoDB 6.0 understands (equality, `$exists: true`, `$gt` and its
kin, `$type`, `$and`, `$in`); a test holds them to that list.
"""

from typing import Any

from pymongo import ASCENDING as UP
from pymongo import DESCENDING as DOWN
from pymongo import IndexModel

from app.db.database import Database, within
from app.models.campaign import ACTIVE_STATUSES, CampaignType
from app.models.records import InboundState
from app.models.waitlist import WaitlistStatus

IDEMPOTENCY_KEEP_SECONDS = 7 * 24 * 3600
INBOUND_KEEP_SECONDS = 90 * 24 * 3600
WAITLIST_KEEP_SECONDS = 365 * 24 * 3600
BOUNCE_KEEP_SECONDS = 365 * 24 * 3600
ENGINE_DAYS_KEEP_SECONDS = 400 * 24 * 3600
IMPORT_ROWS_KEEP_SECONDS = 30 * 24 * 3600
EVENTS_KEEP_SECONDS = 7 * 24 * 3600
SESSION_KEEP_SECONDS = 7 * 24 * 3600

PATIENT_EMAIL_NAME = "patient_email_name"
CAMPAIGN_ONE_ACTIVE = "campaign_one_active"
CAMPAIGN_ONE_RECALL = "campaign_one_recall_per_due_date"
CAMPAIGN_QUOTA = "campaign_quota_key"
INTERACTION_PROVIDER_ID = "interaction_provider_id"
INTERACTION_DEDUPE_KEY = "interaction_dedupe_key"
INTERACTION_DAY_SLOT = "interaction_day_slot"
APPOINTMENT_CLAIMS = "appointment_claims"
APPOINTMENT_EXTERNAL_ID = "appointment_external_id"
STAFF_EMAIL = "role_email"
STAFF_LINK = "role_link"
SERVICE_ID = "service_id"
SUPPRESSION_ADDRESS = "suppression_address"
WAITLIST_ONE_WAITING = "waitlist_one_waiting"
AUDIT_CHAIN = "audit_chain"


def _index(name: str, *fields: tuple[str, int], **options: Any) -> IndexModel:  # noqa: ANN401 - pymongo's own options
    return IndexModel(list(fields), name=name, **options)


def _unique_where(name: str, where: dict[str, Any], *fields: tuple[str, int]) -> IndexModel:
    return _index(name, *fields, unique=True, partialFilterExpression=where)


def _unique_if_there(name: str, field: str) -> IndexModel:
    """Unique among the documents that have the field.

    Sparse, not partial: look-ups by the field use it on every server (the embedded one answers no
    query from a partial index).
    """
    return _index(name, (field, UP), unique=True, sparse=True)


INDEXES: dict[str, list[IndexModel]] = {
    "patients": [
        _unique_where(
            PATIENT_EMAIL_NAME, {"email": {"$type": "string"}}, ("email", UP), ("name_key", UP)
        ),
        _index("patient_email", ("email", UP)),
        _index("patient_phone", ("phone", UP)),
        _index("patient_other_contacts", ("other_contacts", UP)),
        _index("patient_name", ("name_key", UP), ("_id", UP)),
        _index("patient_search", ("search_keys", UP)),
        _index("patient_due", ("next_follow_up_date", UP), ("patient_type", UP)),
        _index("patient_status", ("status", UP), ("name_key", UP), ("_id", UP)),
        _index("patient_erasure", ("erasure.pending_since", UP), sparse=True),
        _index("patient_type_status", ("patient_type", UP), ("status", UP), ("_id", UP)),
    ],
    "events": [
        _index("event_seq", ("seq", UP), unique=True),
        _index("event_key", ("key", UP), unique=True),
        _index("event_keep", ("created_at", UP), expireAfterSeconds=EVENTS_KEEP_SECONDS),
    ],
    "patient_merges": [
        _unique_where("patient_merge_parties", {"parties": {"$exists": True}}, ("parties", UP)),
        _index("patient_merge_survivor", ("survivor_id", UP)),
        _index("patient_merge_again", ("again_at", UP), sparse=True),
    ],
    "campaigns": [
        _unique_where(
            CAMPAIGN_ONE_ACTIVE,
            {"status": {"$in": sorted(ACTIVE_STATUSES)}},
            ("patient_id", UP),
        ),
        _unique_where(
            CAMPAIGN_ONE_RECALL,
            {"campaign_type": CampaignType.RECALL.value},
            ("patient_id", UP),
            ("due_date", UP),
        ),
        _unique_if_there(CAMPAIGN_QUOTA, "quota_key"),
        _index("campaign_patient_recent", ("patient_id", UP), ("created_at", DOWN)),
        _index("campaign_status_recent", ("status", UP), ("updated_at", DOWN), ("_id", DOWN)),
        _index("campaign_recent", ("updated_at", DOWN), ("_id", DOWN)),
        _index("campaign_due", ("status", UP), ("follow_up_details.next_attempt_at", UP)),
        _index("campaign_thread", ("channel.thread_id", UP)),
        _index("campaign_ended", ("campaign_type", UP), ("ended_at", UP)),
        _index("campaign_first_attempt", ("follow_up_details.first_attempt_at", UP)),
        _index("campaign_attention_since", ("attention.since", UP), ("attention.resolved_at", UP)),
    ],
    "interactions": [
        _unique_if_there(INTERACTION_PROVIDER_ID, "provider_id"),
        _unique_if_there(INTERACTION_DEDUPE_KEY, "dedupe_key"),
        _unique_if_there(INTERACTION_DAY_SLOT, "delivery.day_slot"),
        _index("interaction_campaign", ("campaign_id", UP), ("timestamp", UP), ("_id", UP)),
        _index("interaction_patient", ("patient_id", UP), ("timestamp", UP)),
        _index("interaction_time", ("timestamp", UP)),
        _index("interaction_thread", ("thread_id", UP)),
        _index("interaction_outbox", ("delivery.status", UP), ("delivery.not_before", UP)),
        _index("interaction_sent_id", ("delivery.provider_message_id", UP), sparse=True),
        _index("interaction_delivery", ("delivery.status", UP), ("timestamp", DOWN)),
        _index("interaction_class", ("delivery.message_class", UP), ("timestamp", DOWN)),
        _index("interaction_direction", ("direction", UP), ("timestamp", DOWN)),
        _index("interaction_unmatched", ("unmatched", UP), ("timestamp", DOWN)),
        _index("interaction_alert_due", ("alert_due_at", UP), sparse=True),
        _index("interaction_corrected", ("correction.at", UP), sparse=True),
    ],
    "appointments": [
        _unique_where(APPOINTMENT_CLAIMS, {"claims": {"$exists": True}}, ("claims", UP)),
        _unique_if_there(APPOINTMENT_EXTERNAL_ID, "external_id"),
        _index("appointment_created", ("created_at", UP)),
        _index("appointment_date", ("appointment_date", UP), ("_id", UP)),
        _index("appointment_provider", ("provider_id", UP), ("appointment_date", UP), ("_id", UP)),
        _index("appointment_patient", ("patient_id", UP), ("status", UP), ("appointment_date", UP)),
        _index("appointment_campaign", ("campaign_id", UP), ("status", UP)),
        _index("appointment_status_date", ("status", UP), ("appointment_date", UP)),
        _index("appointment_reminder", ("status", UP), ("reminder_plan.next_at", UP)),
        _index("appointment_completed", ("completed_at", UP)),
        _index("appointment_pending_event", ("pending_event.at", UP), sparse=True),
    ],
    "role": [
        _index(STAFF_EMAIL, ("email", UP), unique=True),
        _unique_if_there(STAFF_LINK, "link_hash"),
        _index("staff_alert_due", ("emergency_alert_due_at", UP), sparse=True),
    ],
    "services": [_index(SERVICE_ID, ("service_id", UP), unique=True)],
    "clinic": [_index("clinic_key", ("key", UP), unique=True)],
    "providers": [_index("provider_name", ("name", UP))],
    "chairs": [_index("chair_name", ("name", UP))],
    "time_off": [_index("time_off_span", ("ends_at", UP), ("starts_at", UP))],
    "suppressions": [_index(SUPPRESSION_ADDRESS, ("address", UP), unique=True)],
    "bounces": [
        _index("bounce_letter", ("address", UP), ("kind", UP), ("key", UP), unique=True),
        _index("bounce_recent", ("at", UP), expireAfterSeconds=BOUNCE_KEEP_SECONDS),
    ],
    "inbound_events": [
        _index("inbound_due", ("state", UP), ("not_before", UP)),
        _index(
            "inbound_keep",
            ("done_at", UP),
            expireAfterSeconds=INBOUND_KEEP_SECONDS,
            partialFilterExpression={"state": InboundState.DONE.value},
        ),
    ],
    "waitlist": [
        _unique_where(
            WAITLIST_ONE_WAITING,
            {"status": WaitlistStatus.WAITING.value},
            ("contact", UP),
            ("name_key", UP),
            ("service_id", UP),
        ),
        _index("waitlist_queue", ("status", UP), ("created_at", UP), ("_id", UP)),
        _index("waitlist_end", ("status", UP), ("expires_at", UP)),
        _index("waitlist_open_offer", ("open_until", UP), sparse=True),
        _index("waitlist_contact", ("contact", UP)),
        _index("waitlist_phone", ("phone", UP), sparse=True),
        _index("waitlist_patient_day", ("patient_id", UP), ("last_offered_on", UP)),
        _index("waitlist_keep", ("closed_at", UP), expireAfterSeconds=WAITLIST_KEEP_SECONDS),
    ],
    "mailboxes": [_index("mailbox_address", ("address", UP), unique=True)],
    "knowledge": [_index("knowledge_recent", ("updated_at", DOWN))],
    "unanswered_questions": [_index("unanswered_recent", ("at", DOWN))],
    "sweeps": [
        _index("sweep_recent", ("started_at", DOWN)),
        _index("sweep_status", ("status", UP), ("started_at", DOWN)),
    ],
    "engine_days": [
        _index("engine_day_keep", ("created_at", UP), expireAfterSeconds=ENGINE_DAYS_KEEP_SECONDS)
    ],
    "audit_log": [
        _index("audit_subject", ("subject_id", UP), ("at", DOWN)),
        _index("audit_patient", ("patient_ids", UP), ("at", DOWN), ("_id", DOWN)),
        _index("audit_actor", ("actor", UP), ("at", DOWN), ("_id", DOWN)),
        _index("audit_recent", ("at", DOWN), ("_id", DOWN)),
        # Sparse: entries of before there were chains stand in none.
        _index(AUDIT_CHAIN, ("writer", UP), ("seq", UP), unique=True, sparse=True),
    ],
    "imports": [
        _index("import_recent", ("created_at", DOWN), ("_id", DOWN)),
        _index("import_due", ("state", UP), ("available_at", UP)),
    ],
    "import_batches": [
        _index("import_batch", ("import_id", UP), ("number", UP), unique=True),
        _index(
            "import_batch_keep", ("created_at", UP), expireAfterSeconds=IMPORT_ROWS_KEEP_SECONDS
        ),
    ],
    "import_rows": [
        _index("import_row", ("import_id", UP), ("number", UP)),
        _index("import_row_outcome", ("import_id", UP), ("outcome", UP), ("number", UP)),
        _index("import_row_planned", ("import_id", UP), ("starts_at", UP)),
        _index("import_row_keep", ("created_at", UP), expireAfterSeconds=IMPORT_ROWS_KEEP_SECONDS),
    ],
    "schedule_conflicts": [
        _index("conflict_external_id", ("external_id", UP), unique=True),
        _index("conflict_date", ("state", UP), ("appointment_date", UP), ("_id", UP)),
        _index("conflict_patient", ("patient_id", UP), ("state", UP), ("appointment_date", UP)),
    ],
    "sessions": [_index("session_keep", ("ends_at", UP), expireAfterSeconds=SESSION_KEEP_SECONDS)],
    "rate_limits": [_index("rate_limit_keep", ("expires_at", UP), expireAfterSeconds=0)],
    "idempotency_keys": [
        _index("idempotency_keep", ("created_at", UP), expireAfterSeconds=IDEMPOTENCY_KEEP_SECONDS)
    ],
}
"""TTL indexes tidy up; no rule waits for one."""


_BUILD_SECONDS = 600.0  # a new index over years of messages takes longer than any request may


async def ensure_indexes(database: Database) -> None:
    """Create what is missing; what exists stays. Safe to run from many processes at once.

    A server that does not answer at all is given up as soon as by any other call.
    """
    await database.ping()
    async with within(_BUILD_SECONDS):
        for collection, wanted in INDEXES.items():
            existing = await database.collection(collection).index_information()
            missing = [index for index in wanted if index.document["name"] not in existing]
            if missing:
                await database.collection(collection).create_indexes(missing)
