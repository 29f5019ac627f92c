"""What production insists on: secrets nobody guesses, and no network crossed in the clear.

What stays on this machine (a loopback address, a socket in the file system) crosses no network and
needs no TLS: a database beside the service, or the near end of a tunnel that encrypts.
"""

import re
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

MIN_SECRET_BYTES = 32
"""HS256 wants a key of at least 256 bits (RFC 7518, section 3.2)."""
WEAK = "{} is missing or weak: at least 32 random bytes (256 bits) are needed."
IN_THE_CLEAR = "{} is neither https:// nor on this machine."

_PLACEHOLDERS = ("change", "your-", "your_", "placeholder", "example", "default")
_FEWEST_CHARACTERS = 8
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})
_MONGO = re.compile(r"mongodb(\+srv)?://(?:[^@/?]*@)?([^/?]*)(?:/[^?]*)?(?:\?(.*))?", re.DOTALL)
_PORT = re.compile(r":\d+$")
_UNVERIFIED = frozenset({"tlsinsecure", "tlsallowinvalidcertificates", "tlsallowinvalidhostnames"})


def is_strong(secret: SecretStr | None) -> bool:
    """Long enough, not a few characters repeated, and not what a manual left for us to replace."""
    value = secret.get_secret_value() if secret else ""
    if len(value.encode()) < MIN_SECRET_BYTES or len(set(value)) < _FEWEST_CHARACTERS:
        return False
    return not any(mark in value.casefold() for mark in _PLACEHOLDERS)


def is_loopback(host: str | None) -> bool:
    """Whether what is sent to `host` stays on this machine."""
    return host is not None and host.casefold() in _LOOPBACK


def url_keeps_secrets(url: str) -> bool:
    """Whether what is sent to this http(s) address crosses no network in the clear."""
    parts = urlsplit(url)
    return parts.scheme.lower() == "https" or is_loopback(parts.hostname)


def mongo_keeps_secrets(uri: str) -> bool:
    """Whether what the database is sent crosses no network in the clear, to a server that shows a
    certificate which is checked. `mongodb+srv` means TLS unless an option says otherwise
    (MongoDB's specification of connection strings).
    """
    found = _MONGO.fullmatch(uri)
    if found is None:
        return False
    srv, hosts, options = found.groups()
    if not srv and all(_is_here(host) for host in hosts.split(",")):
        return True
    given = {name.lower(): value.lower() for name, value in parse_qsl(options or "")}
    wants_tls = given.get("tls", given.get("ssl", "true" if srv else "false")) == "true"
    return wants_tls and not any(given.get(name) == "true" for name in _UNVERIFIED)


def _is_here(host: str) -> bool:
    """A loopback address or a socket, which a connection string writes percent-encoded."""
    return is_loopback(_PORT.sub("", host)) or host.casefold().endswith(".sock")
