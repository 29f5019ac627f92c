"""The key that signs sign-ins and links."""

import os
import secrets
from pathlib import Path

from app.core.config import Settings

KEY_FILE = "jwt-secret"
KEY_BYTES = 48


def load_signing_key(settings: Settings) -> str:
    """The configured key, or one that is made once and kept in `DATA_DIR/jwt-secret` (mode 0600).

    The second happens in development only: production refuses to start without a configured key
    (`app.core.config`). Kept, so that sign-ins and links outlive a restart.
    """
    if settings.jwt_secret_key is not None:
        return settings.jwt_secret_key.get_secret_value()
    return _kept_key(settings.data_dir / KEY_FILE)


def erasure_key(settings: Settings, signing_key: str) -> str:
    """What the addresses of erased patients are hashed with: a key of its own where one is set, so
    that the other can be changed and they are still recognised.
    """
    given = settings.erasure_key
    return given.get_secret_value() if given is not None else signing_key


def _kept_key(path: Path) -> str:
    """The key in `path`. Of several processes that start at once, one makes it.

    The file appears complete or not at all: it is written under another name and linked.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(KEY_BYTES))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
