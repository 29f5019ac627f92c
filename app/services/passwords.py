"""Passwords: how they are kept, compared and judged.

Argon2id with the parameters OWASP's Password Storage Cheat Sheet gives as its minimum (19 MiB, two
passes, one lane); bcrypt is read, for hashes that came from elsewhere, and replaced at the next
sign-in. What makes a good one follows NIST SP 800-63B-4: long, any characters, no recipes, and not
what everybody would try first. zxcvbn knows that: 30,000 common passwords, names and words, their
spellings and repetitions, and the words that we give it.
"""

import asyncio
import re
import secrets
import threading
import unicodedata
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

from passlib.context import CryptContext

from app.core.errors import UnavailableError, UnprocessableError

MIN_LENGTH = 15
MIN_LENGTH_IN_DEVELOPMENT = 8
MAX_LENGTH = 128
MIN_GUESSES = 10**8
"""Fewer guesses than this and a machine that knows what people choose finds it (zxcvbn's score 2:
guessable by somebody who tries online for long)."""
JUDGED_LENGTH = 72
"""zxcvbn's own limit, beyond which its time grows; whoever gets so far is far beyond the rest."""
SHORTEST_WORD = 3
_SERVICE_WORDS = ("dental", "dentist", "clinic", "practice", "password", "reception", "welcome")
_WORD = re.compile(r"\w+")
_zxcvbn_lock = threading.Lock()  # it keeps the words it is given in a place of its own
HASHING_THREADS = 2
MAX_WAITING = 16

_context = CryptContext(
    schemes=["argon2", "bcrypt"],
    deprecated=["bcrypt"],
    argon2__type="ID",
    argon2__memory_cost=19 * 1024,
    argon2__time_cost=2,
    argon2__parallelism=1,
)

ResultT = TypeVar("ResultT")


class WeakPasswordError(UnprocessableError):
    """A new password that would be too easy to guess, or too long to take."""

    slug = "weak-password"
    title = "Choose another password"


class BusyError(UnavailableError):
    """More sign-ins at once than there is time to check."""

    slug = "busy"
    title = "Too busy"


def get_password_hash(password: str) -> str:
    """A salted hash with its parameters in it. Slow on purpose: never call it on the event loop."""
    return _context.hash(_normal(password))


def verify_password(password: str, hashed: str) -> bool:
    """Whether `hashed` was made from `password`. Slow on purpose, as above."""
    return verify_and_renew(password, hashed)[0]


def verify_and_renew(password: str, hashed: str) -> tuple[bool, str | None]:
    """Whether they match, and a new hash where the stored one is of an old kind."""
    try:
        matches, renewed = _context.verify_and_update(_normal(password), hashed)
    except ValueError:  # passlib's own: a NUL byte for bcrypt, a damaged hash
        return False, None
    return matches, renewed


def is_too_short(password: str, min_length: int = MIN_LENGTH) -> bool:
    """Whether it was set under an older rule: it still lets in, to be changed."""
    return len(_normal(password)) < min_length


def check_length(password: str, *, min_length: int = MIN_LENGTH) -> None:
    """Raise `WeakPasswordError` unless `password` is as long as one must be.

    Length is counted in characters; there is no rule about which (SP 800-63B-4, 3.1.1.2).
    """
    if not min_length <= len(_normal(password)) <= MAX_LENGTH:
        message = f"A password has {min_length} to {MAX_LENGTH} characters; any will do."
        raise WeakPasswordError(message)


def check_new_password(password: str, context: Iterable[str] = ()) -> None:
    """Raise `WeakPasswordError` unless `password` may be set.

    `context` is what somebody would try who knows the person and the practice: names, addresses.
    Slow (some milliseconds): not for the event loop.
    """
    # Its lists take 14 MB, which a process that sets no password does without.
    from zxcvbn import zxcvbn  # noqa: PLC0415

    check_length(password)
    judged, words = _normal(password)[:JUDGED_LENGTH], _guessable_words(context)
    with _zxcvbn_lock:
        found = zxcvbn(judged, user_inputs=words)
    is_easy = found["guesses"] < MIN_GUESSES
    if not is_easy and not _is_made_of(judged.casefold(), words):
        return
    why = found["feedback"]["warning"] if is_easy else ""
    why = why or "It is made of what is known about you or the practice."
    message = f"This password would be guessed soon. {why} Several unrelated words are a good one."
    raise WeakPasswordError(message)


def _is_made_of(text: str, words: Iterable[str]) -> bool:
    """Whether its letters are these words one after the other, whatever stands between them."""
    letters = "".join(character for character in text if character.isalpha())
    whole = [word for word in words if len(word) >= SHORTEST_WORD]
    ends = {0}
    for start in range(len(letters)):
        if start in ends:
            ends |= {start + len(word) for word in whole if letters.startswith(word, start)}
    return bool(letters) and len(letters) in ends


def _guessable_words(context: Iterable[str]) -> list[str]:
    """Each text whole, without its blanks and punctuation, and by its words."""
    found: list[str] = []
    for text in (*context, *_SERVICE_WORDS):
        words = _WORD.findall(_normal(text).casefold())
        found += [text.casefold(), "".join(words), *words]
    return list(dict.fromkeys(found))


def _normal(password: str) -> str:
    """One form for what two keyboards may write differently (SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFKC", password)


@cache
def _hash_of_nothing() -> str:
    """What unknown accounts are compared with; slow the first time in a process."""
    return get_password_hash(secrets.token_urlsafe())


class PasswordHasher:
    """Hashes in threads of its own, a bounded number at once: the event loop never waits for one.

    Not the default pool, which name resolution shares. Unknown accounts are compared with a hash
    of nothing, so that they take as long as known ones.
    """

    def __init__(self, *, threads: int = HASHING_THREADS, max_waiting: int = MAX_WAITING) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="password")
        self._capacity = threads + max_waiting
        self._pending = 0
        self._nobody: Future[str] = self._pool.submit(_hash_of_nothing)

    async def hash(self, password: str) -> str:
        """See `get_password_hash`. Raises `BusyError`."""
        return await self._in_pool(partial(get_password_hash, password))

    async def hash_new(self, password: str, context: Iterable[str]) -> str:
        """The hash of a password that may be set. Raises `WeakPasswordError`, `BusyError`."""
        await self._in_pool(partial(check_new_password, password, context))
        return await self.hash(password)

    async def verify(self, password: str, hashed: str | None) -> tuple[bool, str | None]:
        """See `verify_and_renew`; without `hashed`, `False` after the same time.

        Raises `BusyError`.
        """
        known = hashed if hashed is not None else await asyncio.wrap_future(self._nobody)
        return await self._in_pool(partial(verify_and_renew, password, known))

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    async def _in_pool(self, work: "partial[ResultT]") -> ResultT:
        if self._pending >= self._capacity:
            message = "Too many people are signing in at this moment. Please try again."
            raise BusyError(message, headers={"Retry-After": "1"})
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._pending -= 1
