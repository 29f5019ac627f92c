"""What `check` says about a configuration before it tries anything."""

import pytest

from app.services.checks import Checks
from tests.factories import make_settings

BASE, MONGO, SMTP = (
    "PUBLIC_BASE_URL is http://",
    "MONGO_URI without tls=true",
    "SMTP_SECURITY=none",
)


class TestEncryption:
    """In production, a line names what crosses the network in the clear."""

    @pytest.mark.parametrize(
        ("given", "named"),
        [
            ({"mongo_uri": "mongodb://db.example/"}, [MONGO]),
            ({"mongo_uri": "mongodb://db.example/?tls=false"}, [MONGO]),
            ({"mongo_uri": "mongodb+srv://db.example/?tls=false"}, [MONGO]),
            ({"mongo_uri": "mongodb://db.example/?w=1&TLS=true"}, []),
            ({"mongo_uri": "mongodb://db.example/?ssl=true"}, []),
            ({"mongo_uri": "mongodb+srv://db.example/?w=1"}, []),
            ({"mail_transport": "smtp", "smtp_security": "none"}, [SMTP]),
            ({"mail_transport": "smtp", "smtp_security": "tls"}, []),
            ({"mail_transport": "file", "smtp_security": "none"}, []),
        ],
    )
    async def test_names_each_setting(self, given: dict[str, str], named: list[str]) -> None:
        shown = {
            "environment": "production",
            "mongo_uri": "mongodb+srv://db.example/",
            "public_base_url": "http://clinic.example",
        }
        results = Checks(make_settings(**(shown | given))).run()

        await anext(results)
        warning = await anext(results)

        assert (warning.name, warning.ok) == ("encryption", True)
        assert [name for name in (SMTP, MONGO, BASE) if name in warning.detail] == [*named, BASE]
        assert "db.example" not in warning.detail
        await results.aclose()
