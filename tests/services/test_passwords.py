"""Passwords: kept, compared, judged, and never on the event loop."""

import asyncio
import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from passlib.hash import bcrypt

from app.services.passwords import (
    BusyError,
    PasswordHasher,
    WeakPasswordError,
    check_new_password,
    get_password_hash,
    verify_and_renew,
    verify_password,
)


class TestGetPasswordHash:
    def test_is_argon2id_with_its_parameters_and_a_salt(self) -> None:
        first, second = get_password_hash("correct horse"), get_password_hash("correct horse")

        assert first.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert first != second

    @settings(max_examples=10, deadline=None)
    @given(password=st.text(max_size=128), other=st.text(max_size=128))
    def test_matches_its_password_and_hardly_any_other(self, password: str, other: str) -> None:
        assert verify_password(password, get_password_hash(password))
        if len(password) != len(other):
            assert not verify_password(other, get_password_hash(password))

    def test_nothing_is_cut_off(self) -> None:
        hashed = get_password_hash("a" * 127 + "b")

        assert verify_password("a" * 127 + "b", hashed)
        assert not verify_password("a" * 127 + "c", hashed)

    def test_two_ways_to_type_one_letter_are_one_password(self) -> None:
        assert verify_password("caf\u00e9", get_password_hash("cafe\u0301"))


class TestVerifyAndRenew:
    def test_an_old_hash_is_renewed(self) -> None:
        old = bcrypt.using(rounds=4).hash("correct horse")

        matches, renewed = verify_and_renew("correct horse", old)

        assert matches
        assert renewed is not None
        assert renewed.startswith("$argon2id$")
        assert verify_and_renew("correct horse", renewed) == (True, None)

    @pytest.mark.parametrize("damaged", ["", "!", "$argon2id$", "plain"])
    def test_a_damaged_hash_matches_nothing(self, damaged: str) -> None:
        assert verify_and_renew("", damaged) == (False, None)

    def test_a_nul_byte_is_no_error(self) -> None:
        old = bcrypt.using(rounds=4).hash("correct horse")

        assert verify_and_renew("correct\0horse", old) == (False, None)


FULL_WIDTH = "".join(chr(ord(letter) + 0xFEE0) for letter in "password1234567")
"""What some keyboards in Asia type: another spelling of the same."""
PEOPLE = ["Robin Reception", "robin@example.com", "Demo Dental Practice"]


class TestCheckNewPassword:
    @pytest.mark.parametrize(
        "password",
        [
            "x1y2z3w4v5u6t7s",
            "пароль для стойки",
            "seven kettles under one moon",
            "tooth fairy lives here",
            "the dentist is out to lunch",
            "nodigitsnocapitals, nothing",
            "🦷🦷 brushes before 🌙 and 🪥",
            "seven kettles " * 9,
            "  blanks at both ends  ",
        ],
    )
    def test_takes_length_of_any_characters(self, password: str) -> None:
        check_new_password(password, PEOPLE)

    @pytest.mark.parametrize("password", ["x1y2z3w4v5u6t7", "abcde" * 26, "", "ﷺ" * 14])
    def test_refuses_what_is_too_short_or_too_long(self, password: str) -> None:
        with pytest.raises(WeakPasswordError, match="15 to 128") as refused:
            check_new_password(password)

        assert refused.value.status == 422

    @pytest.mark.parametrize(
        "password",
        [
            "password1234567",
            "passwordpassword",
            FULL_WIDTH,
            "p@ssw0rdp@ssw0rd",
            "123456789012345",
            "qwertyuiopasdfghjkl",
            "aaaaaaaaaaaaaaaa",
            "abababababababab",
            "iloveyouiloveyou",
            "letmeinletmein123",
        ],
    )
    def test_refuses_what_everybody_would_try(self, password: str) -> None:
        with pytest.raises(WeakPasswordError, match="guessed soon"):
            check_new_password(password)

    @pytest.mark.parametrize(
        "password",
        [
            "Demo Dental Practice",
            "demodentalpractice1",
            "DemoDentalPractice2026!",
            "robin@example.com1",
            "Robin.Reception.1",
            "2026-robinreception",
            "dentalclinic2026",
            "Practice Reception Robin Welcome 1!",
        ],
    )
    def test_refuses_what_is_known_about_the_person_and_the_practice(self, password: str) -> None:
        with pytest.raises(WeakPasswordError, match="guessed soon") as refused:
            check_new_password(password, PEOPLE)

        assert password.casefold() not in refused.value.detail.casefold()

    def test_the_words_of_one_person_do_not_stay_for_the_next(self) -> None:
        with pytest.raises(WeakPasswordError):
            check_new_password("Bartholomew Quimby", ["Bartholomew Quimby"])

        check_new_password("Bartholomew Quimby")

    @pytest.mark.parametrize("password", ["a" * 128, "@4€5$1!07+" * 12, "ab" * 64, "\0" * 20])
    def test_hostile_ones_take_no_time_to_speak_of(self, password: str) -> None:
        started = time.process_time()
        with contextlib.suppress(WeakPasswordError):
            check_new_password(password, ["a" * 120, "aa " * 40])

        assert time.process_time() - started < 5


class TestPasswordHasher:
    async def test_compares_in_threads_and_leaves_the_loop_free(self) -> None:
        """Counted in turns of the loop: on the loop there would be one a comparison, if any."""
        hasher = PasswordHasher()
        hashed = await hasher.hash("correct horse")
        turns = 0

        async def ticks() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.001)
                turns += 1

        ticker = asyncio.create_task(ticks())
        answers = await asyncio.gather(*(hasher.verify("wrong", hashed) for _ in range(8)))
        ticker.cancel()
        hasher.close()

        assert answers == [(False, None)] * 8
        assert turns > len(answers) + 1

    async def test_nobody_takes_as_long_as_somebody(self) -> None:
        hasher = PasswordHasher()
        hashed = await hasher.hash("correct horse")
        await hasher.verify("warm up", None)

        async def fastest(stored: str | None) -> float:
            times = []
            for _ in range(7):
                before = time.process_time()  # the clock on the wall shows how busy others are
                assert await hasher.verify("wrong", stored) == (False, None)
                times.append(time.process_time() - before)
            return min(times)

        known, unknown = await fastest(hashed), await fastest(None)
        hasher.close()

        assert 1 / 3 < known / unknown < 3

    async def test_the_hash_of_nobody_lets_nobody_in(self) -> None:
        hasher = PasswordHasher()

        matches, _ = await hasher.verify("", None)
        hasher.close()

        assert not matches

    async def test_says_when_too_many_wait(self) -> None:
        hasher = PasswordHasher(threads=1, max_waiting=1)
        attempts = (hasher.verify("wrong", None) for _ in range(4))

        answers = await asyncio.gather(*attempts, return_exceptions=True)
        hasher.close()

        busy = [answer for answer in answers if isinstance(answer, BusyError)]
        assert len(busy) == 2
        assert busy[0].headers == {"Retry-After": "1"}
