"""The transport to try the service with: one `.eml` file a message, in a folder.

A file's name is the message's key, and it is linked into place in one step that fails where the
name exists. So a message is there once and whole, whatever crashed when.
"""

import asyncio
import os
import uuid
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path

from app.services.mail.mime import build_message, message_id
from app.services.mail.transport import Audience, OutgoingMail, SentMail, TransientMailError

FOLDERS = {Audience.PATIENT: "outbox", Audience.STAFF: "outbox-staff"}
THREAD_HEADER = "X-Thread-Key"
DEADLINE_SECONDS = 20.0


class FileTransport:
    """Writes mail to `DATA_DIR/outbox` and alerts to staff to `DATA_DIR/outbox-staff`."""

    deadline_seconds = DEADLINE_SECONDS

    def __init__(self, data_dir: Path, sender: str) -> None:
        self._data_dir = data_dir
        self._sender = sender

    async def send(self, mail: OutgoingMail) -> SentMail:
        """Write the message to stable storage. A key that is already there left before."""
        message = build_message(mail, self._sender)
        message[THREAD_HEADER] = mail.thread_id
        folder = self._data_dir / FOLDERS[mail.audience]
        try:
            await asyncio.to_thread(_write_once, folder, f"{mail.key}.eml", bytes(message))
        except OSError as error:
            sentence = f"The outbox folder cannot be written to ({type(error).__name__})."
            raise TransientMailError(sentence) from error
        return SentMail(message_id(mail.key, self._sender), mail.thread_id)

    async def look_up(self, key: str, since: datetime) -> SentMail | None:
        """Whether the message's file is there, however long."""
        del since
        path = self._data_dir / FOLDERS[Audience.PATIENT] / f"{key}.eml"
        thread_id = await asyncio.to_thread(_thread_in, path)
        return None if thread_id is None else SentMail(message_id(key, self._sender), thread_id)


def _write_once(folder: Path, name: str, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{name}.{uuid.uuid4().hex}.tmp"
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            (folder / name).hardlink_to(draft)
        except FileExistsError:
            return
        _sync_folder(folder)
    finally:
        draft.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _thread_in(path: Path) -> str | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return str(message_from_bytes(content, policy=policy.default).get(THREAD_HEADER, ""))
