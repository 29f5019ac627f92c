"""The audit log's chains: what is added holds together, and what was touched shows."""

import asyncio
import contextvars
from typing import Any, cast

import pytest
from pymongo.errors import AutoReconnect

from app.core.access import Access, note_patient, watch_access
from app.db.database import Collection, Database
from app.db.errors import DuplicateValueError
from app.db.repositories import Repositories
from app.db.repositories.audit import AuditRepository
from app.models.audit import entry_hash
from app.models.base import new_id
from app.models.records import AuditEntry
from app.services.audit.trail import PATIENTS_AN_ENTRY, AuditTrail, Deed, TrailFullError
from app.services.audit.verification import AuditVerification, ChainFault, ChainReport
from tests.fakes import NOON, FrozenClock

READ = Deed("get_patient", is_write=False, status=200)
WRITE = Deed("update_patient", is_write=True, status=200)


def entry(**given: Any) -> AuditEntry:
    """Something that happened."""
    fields: dict[str, Any] = {
        "actor": "staff:1",
        "action": "delete",
        "subject": "visit",
        "at": NOON,
    }
    return AuditEntry(**(fields | given))


async def verified(repositories: Repositories) -> list[ChainReport]:
    """Every chain, walked."""
    return [chain async for chain in AuditVerification(repositories.audit).run()]


class TestAdding:
    async def test_chains_in_order_whoever_adds_and_each_process_for_itself(
        self, repositories: Repositories, database: Database, clock: FrozenClock
    ) -> None:
        other = AuditRepository(database, clock)
        patient = new_id()

        await asyncio.gather(
            *(
                audit.append(
                    [entry(patient_ids=[patient]), entry(details={"notes": "x", "n": 1.5})]
                )
                for audit in (repositories.audit, other) * 10
            )
        )
        await repositories.audit.mark_head()

        chains = await verified(repositories)
        assert [(chain.entries, chain.head.seq, chain.fault) for chain in chains] == [
            (20, 20, None),
            (20, 20, None),
        ]
        assert {chain.writer for chain in chains} == {repositories.audit.writer, other.writer}

    async def test_an_id_that_is_taken_is_refused_and_leaves_no_gap(
        self, repositories: Repositories
    ) -> None:
        first = await repositories.audit.insert(entry())

        with pytest.raises(DuplicateValueError):
            await repositories.audit.insert(entry(id=first.id))
        await repositories.audit.insert(entry())

        (chain,) = await verified(repositories)
        assert (chain.entries, chain.fault) == (2, None)

    async def test_goes_on_where_the_chain_ends_when_an_answer_was_lost(
        self, repositories: Repositories, database: Database, clock: FrozenClock
    ) -> None:
        connection = LossyDatabase(database)
        audit = AuditRepository(connection, clock)
        await audit.insert(entry())
        connection.loses_answers = 1

        await audit.append([entry(), entry()])
        assert connection.loses_answers == 0
        await audit.insert(entry())

        (chain,) = await verified(repositories)
        assert (chain.entries, chain.fault) == (4, None)

    async def test_entries_of_before_the_chains_do_no_harm(
        self, repositories: Repositories, database: Database
    ) -> None:
        old = entry().to_stored()
        await database.collection("audit_log").insert_many([old, {**old, "_id": new_id()}])

        assert await verified(repositories) == []

    async def test_finds_the_patient_however_an_entry_names_them(
        self, repositories: Repositories
    ) -> None:
        patient = new_id()

        by_subject = await repositories.audit.insert(
            entry(subject="patient", subject_id=str(patient))
        )
        by_details = await repositories.audit.insert(entry(details={"patient_id": patient}))

        assert by_subject.patient_ids == by_details.patient_ids == [patient]


class LossyDatabase(Database):
    """The real database over a connection on which the answers to writes get lost."""

    def __init__(self, real: Database) -> None:
        self._real = real
        self.loses_answers = 0

    def collection(self, name: str) -> Collection:
        """See `Database`."""
        return cast("Collection", LossyCollection(self._real.collection(name), self))


class LossyCollection:
    """A collection of it."""

    def __init__(self, real: Collection, connection: LossyDatabase) -> None:
        self._real = real
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def insert_many(self, documents: list[dict[str, Any]], **options: Any) -> None:
        """The write lands; its answer may not come back."""
        await self._real.insert_many(documents, **options)
        if self._connection.loses_answers:
            self._connection.loses_answers -= 1
            message = "connection reset"
            raise AutoReconnect(message)


class TestVerification:
    @pytest.mark.parametrize(
        ("tampering", "fault", "at"),
        [
            ({"update": {"$set": {"actor": "staff:2"}}}, ChainFault.CHANGED, 3),
            ({"update": {"$set": {"patient_ids": []}}}, ChainFault.CHANGED, 3),
            ({"update": {"$set": {"details.notes": "y"}}}, ChainFault.DETAILS_CHANGED, 3),
            ({"update": {"$unset": {"prev": ""}}}, ChainFault.CHANGED, 3),
            ({"rehash": True}, ChainFault.BROKEN, 4),
            ({"delete": {"seq": 3}}, ChainFault.MISSING, 3),
            ({"delete": {"seq": {"$gte": 3}}}, ChainFault.CUT_OFF, 3),
            ({"delete": {}}, ChainFault.CUT_OFF, 1),
        ],
        ids=lambda value: value if isinstance(value, str) else None,
    )
    async def test_names_the_first_place_that_does_not_hold(
        self,
        *,
        repositories: Repositories,
        database: Database,
        tampering: dict[str, Any],
        fault: ChainFault,
        at: int,
    ) -> None:
        await repositories.audit.append(
            [entry(patient_ids=[new_id()], details={"notes": "x"}) for _ in range(5)]
        )
        await repositories.audit.mark_head()
        stored = database.collection("audit_log")
        ours = {"writer": repositories.audit.writer}
        if "update" in tampering:
            await stored.update_one(ours | {"seq": 3}, tampering["update"])
        elif "delete" in tampering:
            await stored.delete_many(ours | tampering["delete"])
        else:
            await rewrite(database, ours | {"seq": 3})

        (chain,) = await verified(repositories)

        assert (chain.fault, chain.at_seq) == (fault, at)
        assert chain.as_facts()["fault"] == fault

    async def test_details_taken_out_on_purpose_leave_the_chain_whole(
        self, repositories: Repositories, database: Database
    ) -> None:
        await repositories.audit.append([entry(details={"notes": "x"}) for _ in range(3)])

        second = {"writer": repositories.audit.writer, "seq": 2}
        await database.collection("audit_log").update_one(second, {"$set": {"details": {}}})

        (chain,) = await verified(repositories)
        assert (chain.entries, chain.fault) == (3, None)


async def rewrite(database: Database, which: dict[str, Any]) -> None:
    """Change an entry and give it the hash it then needs: the next one's link tells."""
    stored = database.collection("audit_log")
    document = await stored.find_one(which)
    assert document is not None
    document["actor"] = "nobody"
    await stored.update_one(which, {"$set": {"actor": "nobody", "hash": entry_hash(document)}})


def touched(*patients: object) -> Access:
    """Work that has noted these patients."""
    with watch_access("staff:1") as access:
        for patient in patients:
            note_patient(patient)
    return access


class TestTrail:
    async def test_a_write_is_stored_when_its_answer_leaves_and_reads_when_it_stops(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        trail = AuditTrail(repositories.audit, clock)
        trail.start()
        reader, patient = new_id(), new_id()
        await trail.leave(touched(), READ)
        await trail.leave(touched(reader), READ)

        await trail.leave(touched(patient, patient), WRITE)

        entries = await repositories.audit._find({}, sort=[("seq", 1)])
        assert [(one.patient_ids, one.is_write) for one in entries] == [
            ([reader], False),
            ([patient], True),
        ]
        many = [new_id() for _ in range(PATIENTS_AN_ENTRY + 1)]
        await trail.leave(touched(*many), READ)
        await trail.close()
        entries = await repositories.audit._find({}, skip=2, sort=[("seq", 1)])
        assert [len(one.patient_ids) for one in entries] == [PATIENTS_AN_ENTRY, 1]
        (chain,) = await verified(repositories)
        assert (chain.entries, chain.fault) == (4, None)

    async def test_a_log_that_takes_nothing_stops_the_work_and_forgets_nothing(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        trail = AuditTrail(repositories.audit, clock, capacity=2, patience_seconds=0.01)
        seen = [trail.backlog]
        await trail.leave(touched(new_id()), READ)
        clock.advance(seconds=7)
        await trail.leave(touched(new_id()), READ)

        with pytest.raises(TrailFullError):
            await trail.leave(touched(new_id()), READ)

        seen.append(trail.backlog)
        trail.start()
        await trail.close()
        assert [*seen, trail.backlog] == [(0, None), (2, NOON), (0, None)]
        assert len(await repositories.audit._find({})) == 2

    async def test_own_work_counts_where_it_did_any(
        self, repositories: Repositories, clock: FrozenClock
    ) -> None:
        trail = AuditTrail(repositories.audit, clock)
        trail.start()
        patient = new_id()

        async def round_of(done: int) -> int:
            note_patient(patient)
            return done

        assert await trail.watched("inbound", lambda: round_of(0)) == 0
        assert await trail.watched("inbound", lambda: round_of(3)) == 3
        await trail.settle()

        (found,) = await repositories.audit._find({})
        assert (found.actor, found.action, found.patient_ids) == ("agent", "inbound", [patient])
        await trail.close()

    def test_what_outlives_the_work_notes_nothing(self) -> None:
        with watch_access() as access:
            context = contextvars.copy_context()
            note_patient(1)
        context.run(note_patient, 2)
        note_patient(3)

        assert access.take() == [1]
        assert access.take() == []
