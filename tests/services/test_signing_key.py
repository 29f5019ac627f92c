"""The key that signs: configured, or made once and kept."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from jose import jwt

from app.services.signing_key import (
    KEY_FILE,
    ForgedTokenError,
    SigningKeys,
    key_id,
    load_signing_key,
    load_signing_keys,
)
from tests.factories import SECRET, make_settings

NEW, OLD, STRANGE = "n" * 40, "o" * 40, "s" * 40
CLAIMS = {"iss": "us", "aud": "door", "sub": "a"}


def signed(key: str, algorithm: str = "HS256", **header: Any) -> str:
    """A token put together elsewhere."""
    return str(jwt.encode(CLAIMS, key, algorithm, header))


def is_read(keys: SigningKeys, token: str) -> bool:
    """Whether the token counts."""
    try:
        return keys.read(token, issuer="us", audience="door") == CLAIMS
    except ForgedTokenError:
        return False


class TestSigningKeys:
    def test_the_newest_signs_and_says_so_and_every_one_verifies(self) -> None:
        keys = SigningKeys(NEW, others=[OLD])

        token = keys.sign(CLAIMS)

        assert jwt.get_unverified_header(token)["kid"] == key_id(NEW)
        assert is_read(SigningKeys(NEW), token)
        assert not is_read(SigningKeys(OLD), token)
        assert is_read(keys, token)
        assert is_read(keys, SigningKeys(OLD).sign(CLAIMS))
        assert not is_read(keys, SigningKeys(STRANGE).sign(CLAIMS))

    def test_what_names_no_key_is_tried_with_each(self) -> None:
        keys = SigningKeys(NEW, others=[OLD])

        assert [is_read(keys, signed(key)) for key in (NEW, OLD, STRANGE)] == [True, True, False]

    @pytest.mark.parametrize(
        "kid", ["", "../../dev/null", "0" * 12, key_id(OLD), None, 1, [key_id(NEW)], {"$ne": 1}]
    )
    def test_a_name_that_is_strange_or_another_keys_opens_nothing(self, kid: object) -> None:
        assert not is_read(SigningKeys(NEW, others=[OLD]), signed(NEW, kid=kid))

    def test_one_algorithm_counts(self) -> None:
        token = signed(NEW, "HS512", kid=key_id(NEW))

        assert not is_read(SigningKeys(NEW), token)
        assert is_read(SigningKeys(NEW, algorithm="HS512"), token)

    def test_a_name_tells_nothing_of_its_key(self) -> None:
        assert key_id(NEW) != key_id(OLD)
        assert len(key_id(NEW)) < len(NEW)

    def test_are_read_from_the_settings(self, tmp_path: Path) -> None:
        settings = make_settings(data_dir=tmp_path, jwt_verify_keys=f"{OLD}, {STRANGE}")

        keys = load_signing_keys(settings)

        assert keys.newest == SECRET
        assert all(is_read(keys, signed(key)) for key in (SECRET, OLD, STRANGE))
        assert not is_read(keys, signed(NEW))


class TestLoadSigningKey:
    def test_the_configured_one_is_used_and_nothing_is_written(self, tmp_path: Path) -> None:
        assert load_signing_key(make_settings(data_dir=tmp_path)) == SECRET
        assert list(tmp_path.iterdir()) == []

    def test_one_is_made_and_kept_for_the_owner_alone(self, tmp_path: Path) -> None:
        settings = make_settings(jwt_secret_key=None, data_dir=tmp_path / "data")

        first, second = load_signing_key(settings), load_signing_key(settings)

        kept = tmp_path / "data" / KEY_FILE
        assert first == second
        assert len(first.encode()) >= 32
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert list(kept.parent.iterdir()) == [kept]

    def test_of_many_at_once_one_makes_it(self, tmp_path: Path) -> None:
        settings = make_settings(jwt_secret_key=None, data_dir=tmp_path)

        with ThreadPoolExecutor(8) as pool:
            keys = set(pool.map(load_signing_key, [settings] * 32))

        assert len(keys) == 1
        assert len(list(tmp_path.iterdir())) == 1
