"""Settings: the only reader of the environment.

Names, defaults and meanings are in `.env.example`; a test holds the two together. A combination
that would be unsafe in production is refused here, with every reason at once, before anything
starts.
"""

from datetime import time
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    HttpUrl,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.addresses import EmailAddress
from app.core.clients import known_network
from app.core.hardening import (
    IN_THE_CLEAR,
    WEAK,
    is_loopback,
    is_strong,
    mongo_keeps_secrets,
    url_keeps_secrets,
)
from app.core.hours import SendingHours, parse_clock_time, parse_sending_hours
from app.core.zones import known_zone


class InsecureConfigurationError(ValueError):
    """Settings that production refuses; the message lists every reason."""


def _blank_to_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _comma_list(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _number_from_text(value: object) -> object:
    """A literal of numbers does not read the text that an environment holds."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


OptionalText = Annotated[str | None, BeforeValidator(_blank_to_none)]
OptionalSecret = Annotated[SecretStr | None, BeforeValidator(_blank_to_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_blank_to_none)]
OptionalPrice = Annotated[
    Annotated[float, Field(ge=0, le=100_000)] | None, BeforeValidator(_blank_to_none)
]
OptionalEmail = Annotated[EmailAddress | None, BeforeValidator(_blank_to_none)]


class Settings(BaseSettings):
    """Everything an operator can set. Immutable once read."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    # Where and how it runs
    environment: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    data_dir: Path = Path("data")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    cors_origins: Annotated[list[str], NoDecode, BeforeValidator(_comma_list)] = []
    api_docs: bool | None = None
    rate_limits: Literal["on", "off"] = "on"
    login_failures_per_account: int = Field(default=10, ge=1, le=1000)
    login_failures_per_day: int = Field(default=100, ge=1, le=1000)
    login_failures_per_client: int = Field(default=100, ge=1, le=1000)
    bookings_per_minute: int = Field(default=60, ge=1, le=1000)
    failed_lookups_per_minute: int = Field(default=10, ge=1, le=1000)
    availability_per_minute: int = Field(default=600, ge=1, le=1000)
    refreshes_per_minute: int = Field(default=120, ge=1, le=1000)
    trusted_proxies: Annotated[
        list[Annotated[str, AfterValidator(known_network)]],
        NoDecode,
        BeforeValidator(_comma_list),
    ] = []
    demo_data: bool | None = None

    # Database
    mongo_uri: OptionalSecret = None
    database_name: str = Field(default="dental_engagement", pattern=r"^[A-Za-z0-9_-]{1,38}$")

    # Sign-in
    jwt_secret_key: OptionalSecret = None
    jwt_verify_keys: Annotated[
        list[SecretStr], NoDecode, BeforeValidator(_comma_list), Field(max_length=5)
    ] = []
    erasure_key: OptionalSecret = None
    jwt_algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"
    access_token_expire_minutes: int = Field(default=15, ge=1, le=1440)
    session_idle_minutes: int = Field(default=30, ge=1, le=1440)
    session_hours: int = Field(default=12, ge=1, le=720)
    second_factor_for_admins: bool = False
    emergency_access_minutes: int = Field(default=0, ge=0, le=480)
    password_link_hours: int = Field(default=24, ge=1, le=168)
    first_admin_email: OptionalEmail = None
    first_admin_password: OptionalSecret = None

    # The clinic an empty database starts with
    clinic_name: str = Field(default="Demo Dental Practice", min_length=1, max_length=120)
    clinic_phone: str = Field(default="+1 212-555-0100", max_length=40)
    clinic_address: str = Field(default="1 Demo Street, New York, NY 10001", max_length=300)
    clinic_timezone: str = "America/New_York"
    clinic_country: str = Field(default="US", pattern="^[A-Z]{2}$")
    clinic_currency: str = Field(default="USD", pattern="^[A-Z]{3}$")
    allow_new_patient_booking: bool = False
    booking_horizon_days: int = Field(default=180, ge=1, le=730)
    booking_lead_minutes: int = Field(default=120, ge=0, le=43200)
    slot_grid_minutes: Annotated[
        Literal[5, 10, 15, 20, 30, 60], BeforeValidator(_number_from_text)
    ] = 15
    self_service_notice_minutes: int = Field(default=120, ge=0, le=43200)
    reminder_minutes_before: Annotated[
        list[Annotated[int, Field(ge=30, le=40320)]],
        NoDecode,
        BeforeValidator(_comma_list),
        Field(max_length=6),
    ] = [10080, 2880, 120]

    # Addresses under which the outside reaches us
    public_base_url: Annotated[str | None, BeforeValidator(_blank_to_none)] = None
    booking_url: Annotated[str | None, BeforeValidator(_blank_to_none)] = None

    # Outreach
    outreach_enabled: bool | None = None
    new_campaigns_per_day: int = Field(default=25, ge=0, le=10000)
    mail_redirect_to: OptionalEmail = None
    sweep_time: Annotated[time, BeforeValidator(parse_clock_time)] = time(8, 0)
    sending_hours: Annotated[SendingHours, NoDecode, BeforeValidator(parse_sending_hours)] = (
        SendingHours(start_minute=9 * 60, end_minute=18 * 60)
    )
    max_attempts: int = Field(default=4, ge=1, le=12)
    attempt_interval_days: Annotated[
        list[Annotated[int, Field(ge=0, le=365)]], NoDecode, BeforeValidator(_comma_list)
    ] = [0, 3, 7, 14]
    cool_down_days: int = Field(default=90, ge=0, le=3650)
    recall_give_up_days: int = Field(default=180, ge=1, le=3650)
    keep_raw_mail_days: int = Field(default=365, ge=30, le=36500)
    keep_campaigns_days: int = Field(default=2555, ge=365, le=36500)
    keep_imports_days: int = Field(default=365, ge=30, le=36500)
    keep_audit_days: int = Field(default=2190, ge=365, le=36500)
    outreach_per_week: int = Field(default=3, ge=1, le=7)
    agent_turns_per_day: int = Field(default=3, ge=1, le=20)

    # Mail
    mail_transport: Literal["file", "smtp", "gmail"] = "file"
    mail_from: EmailAddress = "frontdesk@example.com"
    mail_reply_tags: bool | None = None
    staff_alert_email: OptionalEmail = None
    smtp_host: str = "localhost"
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_username: OptionalText = None
    smtp_password: OptionalSecret = None
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_timeout_seconds: float = Field(default=20, gt=0, le=300)
    message_relay_url: Annotated[HttpUrl | None, BeforeValidator(_blank_to_none)] = None
    message_relay_secret: OptionalSecret = None
    message_relay_channels: Annotated[
        list[Literal["sms", "whatsapp"]], NoDecode, BeforeValidator(_comma_list)
    ] = ["sms"]
    message_relay_timeout_seconds: float = Field(default=10, gt=0, le=60)
    gmail_mailbox: OptionalEmail = None
    gmail_client_id: OptionalText = None
    gmail_client_secret: OptionalSecret = None
    gmail_refresh_token: OptionalSecret = None
    gmail_topic: OptionalText = None
    gmail_service_account_file: OptionalPath = None
    gmail_poll_seconds: float = Field(default=300, ge=1, le=3600)
    gmail_sends_per_second: float = Field(default=2, gt=0, le=100)
    gmail_timeout_seconds: float = Field(default=20, gt=0, le=120)
    gmail_api_base_url: str = "https://gmail.googleapis.com"
    google_token_url: str = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
    google_authorize_url: str = "https://accounts.google.com/o/oauth2/v2/auth"
    google_jwks_url: str = "https://www.googleapis.com/oauth2/v3/certs"

    # Webhooks
    pubsub_audience: OptionalText = None
    pubsub_service_account: OptionalEmail = None
    pubsub_subscription: OptionalText = None
    webhook_secret: OptionalSecret = None

    # The local engine
    model_dir: OptionalPath = None

    # Language model (the local engine needs none of these)
    llm_base_url: Annotated[HttpUrl | None, BeforeValidator(_blank_to_none)] = None
    llm_model: OptionalText = None
    llm_api_key: OptionalSecret = None
    llm_deadline_seconds: float = Field(default=12, gt=0, le=20)
    llm_tokens_per_day: int = Field(default=200_000, ge=1000, le=1_000_000_000)
    llm_input_price: OptionalPrice = None
    llm_output_price: OptionalPrice = None

    @field_validator("clinic_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            known_zone(value)
        except ValueError as error:
            message = "CLINIC_TIMEZONE must be an IANA name such as America/New_York."
            raise ValueError(message) from error
        return value

    @model_validator(mode="after")
    def _attempts_have_intervals(self) -> Self:
        intervals = self.attempt_interval_days
        if len(intervals) < self.max_attempts or intervals != sorted(intervals):
            message = (
                "ATTEMPT_INTERVAL_DAYS needs one growing number of days for each of MAX_ATTEMPTS."
            )
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _model_is_named(self) -> Self:
        """No model is a default: which one reads patients' words is the operator's choice."""
        if self.llm_base_url is not None and self.llm_model is None:
            message = "LLM_BASE_URL needs LLM_MODEL: the name of the model to ask for."
            raise ValueError(message)
        url = self.llm_base_url
        if url is not None and (url.username or url.password or url.query or url.fragment):
            message = "LLM_BASE_URL is an address alone: the key belongs into LLM_API_KEY."
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _relay_can_tell_us(self) -> Self:
        """An open relay would send anybody's messages in the practice's name."""
        url = self.message_relay_url
        if url is not None and self.message_relay_secret is None:
            message = (
                "MESSAGE_RELAY_URL needs MESSAGE_RELAY_SECRET, which signs what is sent there."
            )
            raise ValueError(message)
        if url is not None and (url.username or url.password or url.fragment):
            message = "MESSAGE_RELAY_URL is an address alone: MESSAGE_RELAY_SECRET says who asks."
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _safe_in_production(self) -> Self:
        if self.is_production and (reasons := self._production_objections()):
            message = "ENVIRONMENT=production refuses to start: " + " ".join(reasons)
            raise InsecureConfigurationError(message)
        return self

    def _production_objections(self) -> list[str]:
        checks = [
            (not is_strong(self.jwt_secret_key), WEAK.format("JWT_SECRET_KEY")),
            (
                self.webhook_secret is not None and not is_strong(self.webhook_secret),
                WEAK.format("WEBHOOK_SECRET"),
            ),
            (self.mongo_uri is None, "MONGO_URI is unset, and the embedded database is for trial."),
            ("*" in self.cors_origins, "CORS_ORIGINS holds a wildcard."),
            (
                self.outreach_is_on and self.public_base_url is None,
                "PUBLIC_BASE_URL is unset, so the links in letters would be broken.",
            ),
            (self.demo_data is True, "DEMO_DATA is on."),
            (self.rate_limits == "off", "RATE_LIMITS is off, which is for tests."),
            *self._rotation_objections(),
            *self._transport_objections(),
            *self._gmail_objections(),
            *self._relay_objections(),
        ]
        return [reason for applies, reason in checks if applies]

    def _rotation_objections(self) -> list[tuple[bool, str]]:
        """Keys that are guessed or were never changed, and a change that forgets who was erased."""
        others = [key.get_secret_value() for key in self.jwt_verify_keys]
        signing = self.jwt_secret_key.get_secret_value() if self.jwt_secret_key else None
        return [
            (
                not all(is_strong(key) for key in self.jwt_verify_keys),
                WEAK.format("One of JWT_VERIFY_KEYS"),
            ),
            (
                len({signing, *others}) <= len(others),
                "JWT_VERIFY_KEYS names a key twice, or JWT_SECRET_KEY once more.",
            ),
            (
                bool(others) and self.erasure_key is None,
                "JWT_VERIFY_KEYS needs ERASURE_KEY (where there was none, the JWT_SECRET_KEY "
                "before), or erased patients would not be recognised any more.",
            ),
        ]

    def _transport_objections(self) -> list[tuple[bool, str]]:
        """Where patients' data, sign-ins and links would cross a network in the clear."""
        uri = self.mongo_uri.get_secret_value() if self.mongo_uri else None
        smtp_is_open = self.mail_transport == "smtp" and self.smtp_security == "none"
        addresses = {
            "LLM_BASE_URL": self.llm_base_url,
            "MESSAGE_RELAY_URL": self.message_relay_url,
            "PUBLIC_BASE_URL": self.public_base_url,
            "BOOKING_URL": self.booking_url,
        }
        return [
            (
                uri is not None and not mongo_keeps_secrets(uri),
                "MONGO_URI asks for no TLS (tls=true, with certificates checked).",
            ),
            (
                smtp_is_open and not is_loopback(self.smtp_host),
                "SMTP_SECURITY=none would send mail and password in the clear.",
            ),
            *(
                (url is not None and not url_keeps_secrets(str(url)), IN_THE_CLEAR.format(name))
                for name, url in addresses.items()
            ),
        ]

    def _relay_objections(self) -> list[tuple[bool, str]]:
        """Messages that others could write in our name."""
        url = self.message_relay_url
        return [
            (
                url is not None and not is_strong(self.message_relay_secret),
                WEAK.format("MESSAGE_RELAY_SECRET"),
            ),
        ]

    def _gmail_objections(self) -> list[tuple[bool, str]]:
        """Mail that anybody could forge, and credentials that would travel in the clear."""
        is_used = self.mail_transport == "gmail"
        unsigned = self.pubsub_audience is None or self.pubsub_service_account is None
        addresses = {
            "GMAIL_API_BASE_URL": self.gmail_api_base_url,
            "GOOGLE_TOKEN_URL": self.google_token_url,
            "GOOGLE_AUTHORIZE_URL": self.google_authorize_url,
            "GOOGLE_JWKS_URL": self.google_jwks_url,
        }
        return [
            (
                is_used and unsigned,
                "MAIL_TRANSPORT=gmail needs PUBSUB_AUDIENCE and PUBSUB_SERVICE_ACCOUNT, "
                "or nobody could tell a push from a forgery.",
            ),
            (
                is_used and self.pubsub_subscription is None,
                "MAIL_TRANSPORT=gmail needs PUBSUB_SUBSCRIPTION, "
                "or the pushes of any other subscription would count.",
            ),
            *(
                (not url.lower().startswith("https://"), f"{name} is not https://.")
                for name, url in addresses.items()
            ),
        ]

    @property
    def is_production(self) -> bool:
        """Whether real patients are on the other end."""
        return self.environment == "production"

    @property
    def uses_embedded_database(self) -> bool:
        """Whether the service starts its own database."""
        return self.mongo_uri is None

    @property
    def loads_demo_data(self) -> bool:
        """Whether an empty database is filled with the demo clinic (development only)."""
        return not self.is_production if self.demo_data is None else self.demo_data

    @property
    def shows_api_docs(self) -> bool:
        """Whether /docs, /redoc and /openapi.json are served; closed in production."""
        return not self.is_production if self.api_docs is None else self.api_docs

    @property
    def outreach_is_on(self) -> bool:
        """Whether outreach leaves: on in development, off in production until switched on."""
        return not self.is_production if self.outreach_enabled is None else self.outreach_enabled

    @property
    def reply_tags_are_used(self) -> bool:
        """Whether Reply-To names the letter: with Gmail, which is known to take plus addresses."""
        default = self.mail_transport == "gmail"
        return default if self.mail_reply_tags is None else self.mail_reply_tags

    @property
    def base_url(self) -> str:
        """Where the service is reached from outside, without a slash at the end."""
        return (self.public_base_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def booking_page(self) -> str:
        """The page that booking links open."""
        return self.booking_url or f"{self.base_url}/book"
