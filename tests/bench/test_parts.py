"""What the benchmark's figures rest on."""

from datetime import UTC, date, datetime, timedelta

import pytest

from app.models.base import new_id
from bench import engine
from bench.figures import Figure, Goal
from bench.mail import another
from bench.naive import free_times
from bench.practice import Place, guest, practice
from bench.recording import Command, fewest_trips, round_trips
from bench.replay import Booking, Rebooking, packed, to_trips, unpacked
from bench.requests import next_month

NOW = datetime(2026, 11, 25, 17, tzinfo=UTC)


def command(sent_at: float, answered_at: float, name: str = "find") -> Command:
    return Command(name, "patients", {"find": "patients"}, sent_at, answered_at)


class TestFigure:
    def test_is_the_median_with_its_spread(self) -> None:
        assert str(Figure("a", [3.0, 1.0, 2.5])).split(maxsplit=1)[1] == "2.50x (1 to 3)"

    @pytest.mark.parametrize(
        ("goal", "verdict"),
        [
            (Goal("at least", 70), "goal: at least 70 %: met"),
            (Goal("at least", 71.5), "goal: at least 71.5 %: MISSED by 1.50 %"),
            (Goal("at most", 70), "goal: at most 70 %: met"),
            (Goal("at most", 30), "goal: at most 30 %: MISSED by 40 %"),
        ],
        ids=["enough", "too little", "little enough", "too much"],
    )
    def test_says_whether_the_goal_is_met_and_by_how_much_not(
        self, goal: Goal, verdict: str
    ) -> None:
        assert str(Figure("a", [70.0], " %", goal)).endswith(verdict)


class TestRoundTrips:
    def test_commands_that_overlap_are_one(self) -> None:
        assert [len(one) for one in round_trips([command(0, 3), command(1, 4)])] == [2]

    def test_what_waits_for_an_answer_is_another(self) -> None:
        """Also where a slow one of the first trip is still under way."""
        waited_for, slow, waiting = command(0, 1), command(0.5, 9), command(1.5, 2)

        assert round_trips([waiting, slow, waited_for]) == [[waited_for, slow], [waiting]]

    def test_of_several_recordings_the_least_disturbed_counts(self) -> None:
        together, apart = [command(0, 2), command(1, 3)], [command(0, 1), command(2, 3)]

        assert fewest_trips([apart, together]) == [together]


class TestRebooking:
    """A recorded booking, made another one."""

    def test_finds_and_writes_what_the_other_booking_would(self) -> None:
        book = practice(5, 3, date(2027, 3, 1), 2)
        first, second = (places[0] for places in book.free.values())
        old, new = Booking(guest(1), first), Booking(guest(2), second)
        visit_id, clinic_id = new_id(), book.clinic.id
        trips = [
            [
                Command("find", "patients", {"filter": {"email": old.guest.patient.email}}, 0, 1),
                Command("find", "clinic", {"filter": {"_id": clinic_id}}, 0, 1),
            ],
            [Command("getMore", "patients", {}, 1, 2)],
            [Command("insert", "appointments", {"documents": [stored(old, visit_id)]}, 2, 3)],
        ]

        (found, clinic), (inserted,) = Rebooking(to_trips(trips), old, NOW).commands_of(new)

        assert found["body"]["filter"] == {"email": new.guest.patient.email}
        assert clinic["body"]["filter"] == {"_id": clinic_id}
        written = inserted["body"]["documents"][0]
        assert written["_id"] != visit_id
        assert written == stored(new, written["_id"])

    def test_comes_through_to_the_other_process_as_it_was(self) -> None:
        trips = [[{"name": "find", "collection": "clinic", "body": {"at": NOW, "_id": new_id()}}]]

        content = unpacked(packed([trips], b"{}", 201))

        assert content == {"replays": [trips], "answer": b"{}", "status": 201}


def stored(booking: Booking, visit_id: object) -> dict[str, object]:
    place, patient = booking.place, booking.guest.patient
    bucket = int(place.starts_at.timestamp()) // 300
    return {
        "_id": visit_id,
        "patient_id": patient.id,
        "campaign_id": booking.guest.campaign.id,
        "provider_id": place.provider_id,
        "appointment_date": place.starts_at,
        "claims": [f"p:{place.provider_id}@{bucket}", f"u:{patient.id}@{bucket + 1}"],
        "created_at": NOW + timedelta(seconds=1),
        "letter": f"{patient.name}, {visit_id}",
    }


class TestPractice:
    def test_is_half_booked_and_nobody_twice_at_once(self) -> None:
        book = practice(5, 3, date(2027, 3, 1), 3)
        free = [place for places in book.free.values() for place in places]
        every: list[Place] = [*book.booked, *free]

        assert len(book.booked) == len(free) == 3 * 3 * 16 // 2
        assert len({(one.starts_at, one.provider_id) for one in every}) == len(every)
        assert len({(one.starts_at, one.chair_id) for one in every}) == len(every)


class TestEngine:
    def test_answers_as_the_naive_way_does_and_is_measured(self) -> None:
        figures = list(engine.measure(rounds=1, days=2))

        assert len(figures) == 4
        assert all(figure.value > 0 for figure in figures)

    def test_the_naive_way_knows_free_from_taken(self) -> None:
        book = practice(2, 1, date(2027, 3, 1), 1)
        zone = book.clinic.zone
        taken = {f"{one.starts_at.astimezone(zone):%H:%M}" for one in book.booked}

        times = free_times(book, date(2027, 3, 1), 1)["2027-03-01"]

        assert times
        assert not taken & set(times)


class TestMonth:
    @pytest.mark.parametrize(
        ("day", "first"),
        [
            (date(2026, 11, 2), date(2026, 12, 1)),
            (date(2026, 12, 1), date(2026, 12, 1)),
            (date(2026, 12, 31), date(2027, 1, 1)),
            (date(2027, 1, 31), date(2027, 2, 1)),
        ],
        ids=str,
    )
    def test_is_the_first_whole_one(self, day: date, first: date) -> None:
        assert next_month(day) == first


class TestAnotherPush:
    """A recorded push, made another one."""

    def test_is_stored_under_an_id_of_its_own_and_is_else_the_same(self) -> None:
        document = {"_id": "pubsub:s:0123456789abcdef", "payload": {"historyId": "1"}}
        insert = {"name": "insert", "collection": "inbound_events"}
        recorded = [[{**insert, "body": {"documents": [document]}}]]

        ids = set()
        for _ in range(3):
            [[command]] = another(recorded)
            [made] = command["body"]["documents"]
            ids.add(made.pop("_id"))
            assert made == {"payload": {"historyId": "1"}}

        assert len(ids) == 3
        assert {len(one) for one in ids} == {len(document["_id"])}
        assert document["_id"] == "pubsub:s:0123456789abcdef"
