"""Settings: what is taken, what is refused, and what production insists on."""

from datetime import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.core.config import Settings
from app.core.hours import SendingHours
from tests.factories import SECRET, BareSettings

OTHER_SECRET = SECRET[::-1]
PRODUCTION: dict[str, Any] = {
    "environment": "production",
    "jwt_secret_key": SECRET,
    "mongo_uri": "mongodb://db.example/?replicaSet=rs0&tls=true",
    "public_base_url": "https://clinic.example/",
}


def settings(**given: Any) -> Settings:
    """Settings of these values and the defaults."""
    return BareSettings(**given)


class TestDefaults:
    def test_need_nothing(self) -> None:
        chosen = settings()

        assert chosen.uses_embedded_database
        assert chosen.loads_demo_data
        assert chosen.outreach_is_on
        assert chosen.base_url == "http://127.0.0.1:8000"
        assert chosen.booking_page == "http://127.0.0.1:8000/book"

    def test_nothing_can_be_changed_afterwards(self) -> None:
        with pytest.raises(ValidationError, match="frozen"):
            settings().port = 1  # type: ignore[misc]


class TestEnvironment:
    def test_names_are_read_in_any_case_and_empty_means_unset(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for name, value in {
            "CLINIC_NAME": "Bright Dental",
            "MONGO_URI": "",
            "ATTEMPT_INTERVAL_DAYS": "0, 2,4 ,8",
            "CORS_ORIGINS": "https://a.example,https://b.example",
            "SENDING_HOURS": "08:00-24:00",
            "SWEEP_TIME": "07:30",
        }.items():
            monkeypatch.setenv(name, value)

        chosen = Settings()

        assert chosen.clinic_name == "Bright Dental"
        assert chosen.mongo_uri is None
        assert chosen.attempt_interval_days == [0, 2, 4, 8]
        assert chosen.cors_origins == ["https://a.example", "https://b.example"]
        assert chosen.sending_hours == SendingHours(480, 1440)
        assert chosen.sweep_time == time(7, 30)

    def test_a_file_is_read_and_the_environment_outranks_it(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / ".env").write_text("PORT=9001\nHOST=0.0.0.0\nUNKNOWN=1\n")
        monkeypatch.setenv("PORT", "9002")

        chosen = Settings()

        assert (chosen.host, chosen.port) == ("0.0.0.0", 9002)  # noqa: S104 - a value, not a bind


class TestRefused:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("environment", "staging"),
            ("port", 65_536),
            ("port", -1),
            ("log_level", "LOUD"),
            ("rate_limits", "maybe"),
            ("login_failures_per_account", 0),
            ("login_failures_per_day", 1001),
            ("login_failures_per_client", -1),
            ("bookings_per_minute", 0),
            ("failed_lookups_per_minute", 0),
            ("availability_per_minute", 0),
            ("trusted_proxies", "proxy.example.com"),
            ("trusted_proxies", "10.0.0.1/8"),
            ("trusted_proxies", "*"),
            ("session_idle_minutes", 0),
            ("session_hours", 721),
            ("database_name", "a.b"),
            ("database_name", "x" * 39),
            ("database_name", "$x"),
            ("jwt_algorithm", "none"),
            ("jwt_algorithm", "RS256"),
            ("access_token_expire_minutes", 0),
            ("first_admin_email", "admin"),
            ("clinic_name", "x" * 201),
            ("clinic_phone", "1" * 41),
            ("clinic_address", "x" * 301),
            ("clinic_timezone", "EST5"),
            ("clinic_timezone", "America"),
            ("clinic_timezone", "../etc/passwd"),
            ("clinic_country", "usa"),
            ("clinic_currency", "dollar"),
            ("booking_horizon_days", 0),
            ("booking_lead_minutes", -1),
            ("slot_grid_minutes", 7),
            ("new_campaigns_per_day", -1),
            ("mail_redirect_to", "nobody"),
            ("sweep_time", "24:00"),
            ("sweep_time", "8 o'clock"),
            ("sending_hours", "18:00-09:00"),
            ("sending_hours", "all day"),
            ("max_attempts", 0),
            ("max_attempts", 13),
            ("attempt_interval_days", "0,3"),
            ("attempt_interval_days", "0,7,3,14"),
            ("attempt_interval_days", "0,3,x,14"),
            ("attempt_interval_days", "-1,0,3,7"),
            ("cool_down_days", -1),
            ("recall_give_up_days", 0),
            ("outreach_per_week", 0),
            ("outreach_per_week", 8),
            ("agent_turns_per_day", 0),
            ("mail_transport", "pigeon"),
            ("mail_from", "front desk"),
            ("staff_alert_email", "x"),
            ("smtp_port", 0),
            ("smtp_security", "ssl"),
            ("smtp_timeout_seconds", 0),
            ("gmail_mailbox", "x"),
            ("pubsub_service_account", "x"),
            ("llm_base_url", "not a url"),
            ("llm_base_url", "ftp://x.example"),
            ("llm_deadline_seconds", 0),
            ("llm_deadline_seconds", 21),
            ("llm_tokens_per_day", 999),
            ("llm_input_price", -1),
            ("llm_output_price", "cheap"),
            ("message_relay_url", "ftp://x.example"),
            ("message_relay_url", "https://relay.example"),
            ("message_relay_channels", "sms,email"),
            ("message_relay_timeout_seconds", 0),
        ],
    )
    def test_says_which_setting(self, name: str, value: object) -> None:
        with pytest.raises(ValidationError) as refused:
            settings(**{name: value})

        assert name in str(refused.value).lower()


class TestLanguageModel:
    def test_no_model_is_a_default(self) -> None:
        with pytest.raises(ValidationError, match="LLM_BASE_URL needs LLM_MODEL"):
            settings(llm_base_url="http://127.0.0.1:11434/v1")

    @pytest.mark.parametrize(
        "address", ["https://user:pw@x.example/v1", "https://x.example/v1?key=a", "https://x/#a"]
    )
    def test_an_address_holds_no_key(self, address: str) -> None:
        with pytest.raises(ValidationError, match="LLM_BASE_URL is an address alone"):
            settings(llm_base_url=address, llm_model="m")

    @pytest.mark.parametrize(
        "address", ["https://x.example/v1", "http://127.0.0.1:1/v1", "http://localhost/v1"]
    )
    def test_production_takes_https_and_this_machine(self, address: str) -> None:
        assert settings(**PRODUCTION, llm_base_url=address, llm_model="m").llm_base_url

    def test_without_one_nothing_is_asked(self) -> None:
        chosen = settings(llm_base_url=" ", llm_model="")

        assert chosen.llm_base_url is None
        assert chosen.llm_input_price is None


class TestProduction:
    def test_starts_with_what_it_needs_and_is_careful(self) -> None:
        chosen = settings(**PRODUCTION)

        assert chosen.base_url == "https://clinic.example"
        assert not chosen.outreach_is_on
        assert not chosen.loads_demo_data

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"jwt_secret_key": None}, "JWT_SECRET_KEY"),
            ({"jwt_secret_key": ""}, "JWT_SECRET_KEY"),
            ({"jwt_secret_key": "short"}, "JWT_SECRET_KEY"),
            (
                {"message_relay_url": "http://relay.example", "message_relay_secret": SECRET},
                "MESSAGE_RELAY_URL",
            ),
            (
                {"message_relay_url": "https://relay.example", "message_relay_secret": "short"},
                "MESSAGE_RELAY_SECRET",
            ),
            ({"jwt_secret_key": "x" * 64}, "JWT_SECRET_KEY"),
            ({"jwt_secret_key": "change-me-" * 4}, "JWT_SECRET_KEY"),
            ({"jwt_secret_key": "Your-Super-Secret-Key-For-Production"}, "JWT_SECRET_KEY"),
            (
                {"jwt_verify_keys": f"{OTHER_SECRET},short", "erasure_key": SECRET},
                "One of JWT_VERIFY_KEYS is missing or weak",
            ),
            (
                {"jwt_verify_keys": SECRET, "erasure_key": SECRET},
                "JWT_VERIFY_KEYS names a key twice",
            ),
            ({"jwt_verify_keys": OTHER_SECRET}, "JWT_VERIFY_KEYS needs ERASURE_KEY"),
            ({"webhook_secret": "short"}, "WEBHOOK_SECRET"),
            ({"mongo_uri": None}, "MONGO_URI"),
            ({"cors_origins": "https://a.example,*"}, "CORS_ORIGINS"),
            ({"public_base_url": " ", "outreach_enabled": True}, "PUBLIC_BASE_URL"),
            ({"demo_data": True}, "DEMO_DATA"),
            ({"rate_limits": "off"}, "RATE_LIMITS"),
            ({"mongo_uri": "mongodb://db.example/?tls=false"}, "MONGO_URI asks for no TLS"),
            ({"mail_transport": "smtp", "smtp_security": "none", "smtp_host": "mx"}, "SMTP_SEC"),
            ({"public_base_url": "http://clinic.example"}, "PUBLIC_BASE_URL is neither"),
            ({"booking_url": "http://book.example"}, "BOOKING_URL is neither"),
            ({"mail_transport": "gmail"}, "MAIL_TRANSPORT=gmail needs PUBSUB_AUDIENCE"),
            (
                {"mail_transport": "gmail", "pubsub_audience": "https://clinic.example"},
                "MAIL_TRANSPORT=gmail needs PUBSUB_AUDIENCE",
            ),
            ({"llm_base_url": "http://llm.example/v1", "llm_model": "m"}, "LLM_BASE_URL"),
            (
                {
                    "mail_transport": "gmail",
                    "pubsub_audience": "https://clinic.example",
                    "pubsub_service_account": "push@clinic.example",
                },
                "MAIL_TRANSPORT=gmail needs PUBSUB_SUBSCRIPTION",
            ),
            ({"gmail_api_base_url": "http://gmail.test"}, "GMAIL_API_BASE_URL"),
            ({"google_token_url": "http://gmail.test/token"}, "GOOGLE_TOKEN_URL"),
            ({"google_authorize_url": "http://gmail.test/auth"}, "GOOGLE_AUTHORIZE_URL"),
            ({"google_jwks_url": "http://gmail.test/certs"}, "GOOGLE_JWKS_URL"),
        ],
    )
    def test_refuses_and_says_which_and_why(self, change: dict[str, Any], reason: str) -> None:
        with pytest.raises(ValidationError, match=f"refuses to start: {reason}"):
            settings(**(PRODUCTION | change))

    def test_names_every_reason_at_once(self) -> None:
        with pytest.raises(ValidationError) as refused:
            settings(
                environment="production",
                cors_origins="*",
                demo_data=True,
                outreach_enabled=True,
            )

        for reason in ("JWT_SECRET_KEY", "MONGO_URI", "CORS_ORIGINS", "PUBLIC_BASE_URL", "DEMO"):
            assert reason in str(refused.value)

    def test_without_outreach_no_letter_needs_an_address(self) -> None:
        started = settings(**(PRODUCTION | {"public_base_url": None, "outreach_enabled": None}))

        assert not started.outreach_is_on

    def test_takes_what_stays_on_this_machine_and_shows_no_documents(self) -> None:
        here = settings(
            **PRODUCTION
            | {"mongo_uri": "mongodb://127.0.0.1", "public_base_url": "http://localhost:8000"},
            mail_transport="smtp",
            smtp_security="none",
            smtp_host="localhost",
        )

        assert not here.shows_api_docs
        assert settings(**PRODUCTION, api_docs=True).shows_api_docs

    def test_takes_two_keys_while_one_is_changed(self) -> None:
        rotating = settings(**PRODUCTION, jwt_verify_keys=OTHER_SECRET, erasure_key=SECRET)

        assert [key.get_secret_value() for key in rotating.jwt_verify_keys] == [OTHER_SECRET]

    def test_a_refusal_holds_no_secret(self) -> None:
        with pytest.raises(ValidationError) as too_many:
            settings(jwt_verify_keys=",".join(["hunter2"] * 6))
        assert "hunter2" not in str(too_many.value)

        with pytest.raises(ValidationError) as refused:
            settings(
                **(PRODUCTION | {"jwt_secret_key": "hunter2", "mongo_uri": "mongodb://u:pw@h"})
            )

        assert "hunter2" not in str(refused.value)
        assert "u:pw" not in str(refused.value)

    def test_development_takes_all_of_it(self) -> None:
        assert settings(cors_origins="*", jwt_secret_key="short").cors_origins == ["*"]


class TestSecrets:
    def test_do_not_show_when_settings_are_printed(self) -> None:
        chosen = settings(**PRODUCTION, smtp_password="hunter2", llm_api_key="hunter3")

        assert SECRET not in repr(chosen)
        assert "hunter" not in repr(chosen)
        assert "db.example" not in repr(chosen)
