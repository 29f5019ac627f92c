"""The key that signs: configured, or made once and kept."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.services.signing_key import KEY_FILE, load_signing_key
from tests.factories import SECRET, make_settings


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
