"""What crosses a network in the clear."""

import pytest

from app.core.hardening import mongo_keeps_secrets, url_keeps_secrets


class TestMongo:
    @pytest.mark.parametrize(
        "uri",
        [
            "mongodb://db.example/?w=1&TLS=true",
            "mongodb://db.example?ssl=true",
            "mongodb://u:p%40w@a.example:27017,b.example:27018/name?replicaSet=r&tls=true",
            "mongodb+srv://db.example/",
            "mongodb+srv://u:pw@db.example/name?w=majority",
            "mongodb://127.0.0.1",
            "mongodb://u:pw@localhost:27017/?directConnection=true",
            "mongodb://[::1]:27017,127.0.0.1:27018/",
            "mongodb://%2Ftmp%2Fmongodb-27017.sock/",
        ],
    )
    def test_keeps_secrets(self, uri: str) -> None:
        assert mongo_keeps_secrets(uri)

    @pytest.mark.parametrize(
        "uri",
        [
            "mongodb://db.example/",
            "mongodb://db.example/?tls=false",
            "mongodb+srv://db.example/?tls=false",
            "mongodb+srv://127.0.0.1/?ssl=false",
            "mongodb://127.0.0.1,db.example/",
            "mongodb://localhost@db.example/",
            "mongodb://localhost.db.example/",
            "mongodb://127.0.0.1:1:2/",
            "mongodb://db.example/?tls=true&tlsInsecure=true",
            "mongodb+srv://db.example/?tlsAllowInvalidCertificates=true",
            "mongodb://db.example/?tls=true&tlsAllowInvalidHostnames=TRUE",
            "mongodb://db.example/name\n?tls=maybe",
            "http://127.0.0.1/",
            "",
        ],
    )
    def test_does_not(self, uri: str) -> None:
        assert not mongo_keeps_secrets(uri)


class TestUrls:
    def test_https_and_this_machine_keep_secrets(self) -> None:
        kept = ("https://a.example", "HTTPS://a", "http://localhost/x", "http://[::1]:8000")
        open_ways = ("http://a.example", "http://localhost.example", "http://u@a", "a.example", "")

        assert [url for url in kept if not url_keeps_secrets(url)] == []
        assert [url for url in open_ways if url_keeps_secrets(url)] == []
