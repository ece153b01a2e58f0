"""Every setting of ``interface.md``: where it comes from, what it may be, and what is wrong with it.

Sources, strongest first: systemd credentials (``$CREDENTIALS_DIRECTORY/<lower-case name>``), the process
environment, the file named by ``ZOHO_OUTBOX_ENV_FILE``. An empty value counts as absent, save that of
``OUTBOX_HTTP_LISTEN``, where it means "off". Attributes are the lower-case names of the settings.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import SequenceMatcher
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv.parser import parse_stream
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from outbox.zoho.regions import Region, hosts_of, is_loopback_host, is_loopback_url

ENV_FILE_VARIABLE = "ZOHO_OUTBOX_ENV_FILE"
MINIMUM_ADMIN_TOKEN_CHARACTERS = 32


class SettingsError(Exception):
    """The settings cannot be used. ``problems``: one line each, naming the setting, showing no secret."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class RecurringBilling(StrEnum):
    """Who raises recurring invoices (decisions.md, Who bills)."""

    ZOHO = "zoho"
    HOST = "host"


class RecurringPayments(StrEnum):
    """What a payment on a host's recurring invoice does while Zoho bills (decisions.md, Payments)."""

    MATCH = "match"
    UNAPPLIED = "unapplied"
    WAIT = "wait"


class CancelAt(StrEnum):
    """When a cancelled service's subscription ends."""

    TERM_END = "term_end"
    NOW = "now"


class OnSuspend(StrEnum):
    """What a suspended service does to its subscription: Zoho's API has no pause."""

    KEEP = "keep"
    CANCEL = "cancel"


class LogPayloads(StrEnum):
    """What of requests and replies is kept in ``zoho_sync_logs``."""

    MASKED = "masked"
    FULL = "full"
    NONE = "none"


class LogLevel(StrEnum):
    """The least severe events that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How an event is written."""

    JSON = "json"
    CONSOLE = "console"


@dataclass(frozen=True)
class ListenAddress:
    """Where the daemon's HTTP server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _database_url(value: SecretStr) -> SecretStr:
    try:
        conninfo_to_dict(value.get_secret_value())
    except ProgrammingError:
        # libpq's message quotes the part it could not read, which may be the password.
        raise ValueError("is neither a libpq URL nor a libpq DSN") from None
    return value


def _base_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.scheme not in {"http", "https"} or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must be an http(s) URL with a host and without credentials or a query")
    if parts.scheme == "http" and not is_loopback_host(parts.hostname):
        raise ValueError("plain http is allowed only on loopback; use https")
    return value.rstrip("/")


def _accounts_base_url(value: str) -> str:
    if urlsplit(value).path:
        raise ValueError("must be the root of a host, without a path")
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError, absolute paths a ValueError
        raise ValueError(f"there is no time zone {value!r}") from None
    except KeyError:
        raise ValueError(f"there is no time zone {value!r}") from None
    return value


def _tax_ids(value: object) -> object:
    if not isinstance(value, str):
        return value
    taxes: dict[Decimal, str] = {}
    for part in value.split(","):
        rate_text, equals, tax_id = (piece.strip() for piece in part.partition("="))
        try:
            rate = Decimal(rate_text)
        except InvalidOperation:
            rate = Decimal("NaN")
        if not equals or not tax_id.isascii() or not tax_id.isdigit() or not 0 <= _finite(rate) <= 100:
            raise ValueError("must look like 15=460000000012345,0=460000000012347 (percent = tax id of Zoho)")
        if rate in taxes:
            raise ValueError(f"gives two tax ids for the rate {rate}")
        taxes[rate] = tax_id
    return taxes


def _finite(number: Decimal) -> Decimal:
    return number if number.is_finite() else Decimal(-1)


def _field_label(value: object) -> object:
    return None if isinstance(value, str) and value.casefold() == "none" else value


def _listen_address(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value:
        return None
    host, _, port = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not host or (":" in host and not bracketed) or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("must look like 127.0.0.1:8025 or [::1]:8025; empty switches it off")
    return ListenAddress(host, int(port))


def _admin_token(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < MINIMUM_ADMIN_TOKEN_CHARACTERS:
        raise ValueError(f"must have at least {MINIMUM_ADMIN_TOKEN_CHARACTERS} characters")
    return value


def _alert_urls(value: object) -> object:
    return tuple(url.strip() for url in value.split(",") if url.strip()) if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Seconds = Annotated[float, Field(gt=0, le=10_000_000, allow_inf_nan=False)]
Percent = Annotated[int, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
AtLeastOne = Annotated[int, Field(ge=1, le=1_000_000_000)]
Days = Annotated[int, Field(ge=1, le=36_500)]
Places = Annotated[int, Field(ge=1, le=100)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
FieldLabel = Annotated[Text | None, BeforeValidator(_field_label)]
Secret = Annotated[SecretStr, Field(min_length=1)]


class DatabaseSettings(BaseSettings):
    """What a command needs that works on the database alone: ``migrate``, ``status``, ``pause``.

    Made by :func:`load_settings`; the constructor takes already gathered values and reads nothing by itself.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    database_url: DatabaseUrl
    database_listen_url: DatabaseUrl
    """A direct connection for LISTEN; ``DATABASE_URL`` where it is not set."""
    log_level: Annotated[LogLevel, BeforeValidator(_lower)] = LogLevel.INFO
    log_format: Annotated[LogFormat | None, BeforeValidator(_lower)] = None
    """None: console on a terminal, else JSON."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what :func:`load_settings` gathered.

        The sources of pydantic-settings read ``os.environ`` of the process, expand ``${…}`` inside passwords
        and cannot say "unknown in the file, but foreign and harmless in the environment".
        """
        return (init_settings,)

    @model_validator(mode="before")
    @classmethod
    def _listen_on_the_database_url(cls, values: dict[str, Any]) -> dict[str, Any]:
        if "database_url" in values:
            values.setdefault("database_listen_url", values["database_url"])
        return values

    def secret_values(self) -> tuple[str, ...]:
        """Every secret in clear, for the redaction of logs: whole values, and the passwords inside URLs."""
        return tuple(dict.fromkeys(text for text in self._secrets() if text))

    def _secrets(self) -> Iterator[str]:
        for name in type(self).model_fields:
            value = getattr(self, name)
            for secret in value if isinstance(value, tuple) else (value,):
                if isinstance(secret, SecretStr):
                    yield secret.get_secret_value()
        for url in (self.database_url, self.database_listen_url):
            password = conninfo_to_dict(url.get_secret_value()).get("password")
            if password:
                yield str(password)


class Settings(DatabaseSettings):
    """Every setting. Units are in the names; see ``interface.md`` for what each one does."""

    zoho_client_id: Text
    zoho_client_secret: Secret
    zoho_refresh_token: Secret
    zoho_billing_organization_id: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]+$")]
    zoho_region: Annotated[Region, BeforeValidator(_lower)] = Region.COM
    zoho_api_base_url: BaseUrl
    """Includes ``/billing/v1``; by region where it is not set. No slash at the end."""
    zoho_accounts_base_url: Annotated[BaseUrl, AfterValidator(_accounts_base_url)]
    """The host root; by region where it is not set. No slash at the end."""
    enable_zoho_sync: bool = True
    zoho_requests_per_minute: Count = 60
    """0 = no limit."""
    zoho_daily_request_limit: Count = 1000
    """0 = no limit."""
    zoho_live_reserve_percent: Percent = 30
    zoho_max_concurrency: Places = 4
    zoho_request_timeout_seconds: Seconds = 30
    zoho_time_zone: Annotated[str, AfterValidator(_time_zone)] = "Africa/Johannesburg"
    zoho_currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")] = "ZAR"
    zoho_recurring_billing: Annotated[RecurringBilling, BeforeValidator(_lower)] = RecurringBilling.ZOHO
    zoho_recurring_payments: Annotated[RecurringPayments, BeforeValidator(_lower)] = RecurringPayments.MATCH
    zoho_cancel_at: Annotated[CancelAt, BeforeValidator(_lower)] = CancelAt.TERM_END
    zoho_on_suspend: Annotated[OnSuspend, BeforeValidator(_lower)] = OnSuspend.KEEP
    zoho_tax_ids: Annotated[dict[Decimal, str], BeforeValidator(_tax_ids)] = Field(default_factory=dict)
    """Tax ids by rate in percent; empty: read from /settings/taxes."""
    zoho_external_id_field: FieldLabel = "External ID"
    """Label of the custom field; None where the organisation has no such field."""
    zoho_account_number_field: FieldLabel = "Account Number"

    outbox_max_attempts: AtLeastOne = 12
    outbox_retry_base_seconds: Seconds = 30
    outbox_retry_max_seconds: Seconds = 14400
    outbox_ambiguous_recheck_seconds: Seconds = 30
    outbox_lease_seconds: Seconds = 120
    outbox_poll_seconds: Seconds = 30
    outbox_retention_days: Days = 90
    outbox_log_payloads: Annotated[LogPayloads, BeforeValidator(_lower)] = LogPayloads.MASKED
    outbox_http_listen: Annotated[ListenAddress | None, BeforeValidator(_listen_address)] = ListenAddress(
        "127.0.0.1", 8025
    )
    """None: off."""
    outbox_http_trust_proxy: bool = False
    outbox_admin_token: Annotated[SecretStr, AfterValidator(_admin_token)] | None = None
    """None: pages and API refuse."""
    alert_urls: Annotated[tuple[SecretStr, ...], BeforeValidator(_alert_urls)] = ()

    health_pending_seconds: Seconds = 3600
    """Degraded: an entry (backfill aside) pending for longer."""
    health_retrying_seconds: Seconds = 3600
    """Degraded: an entry between attempts for longer."""
    health_processing_seconds: Seconds = 300
    """Degraded: an entry in processing for longer."""
    health_past_due_count: AtLeastOne = 5
    """Degraded: so many entries past due."""
    health_dead_count: AtLeastOne = 1
    """Degraded: so many dead entries."""
    health_synced_percent: Percent = 95
    """Degraded: a smaller share of the eligible rows is synced."""
    health_success_percent: Percent = 98
    """Degraded: success over 7 days at or below."""
    health_mean_send_seconds: Seconds = 5
    """Degraded: mean send as long or longer."""
    health_week_failures: AtLeastOne = 5
    """Degraded: so many failures in 7 days."""
    health_throttled_count: AtLeastOne = 1
    """Degraded: so many replies 429."""
    health_failure_age_days: AtLeastOne = 7
    """Degraded: a failure that is older."""
    health_notification_queue_percent: Percent = 10
    """Degraded: PostgreSQL's notification queue fuller than this."""
    health_snapshot_seconds: Seconds = 3600
    """Degraded: a snapshot that has held back vacuum for longer."""
    health_day_failures: AtLeastOne = 5
    """Unhealthy: so many failures in 24 hours."""
    health_affected_customers: AtLeastOne = 10
    """Unhealthy: failures that affect more customers than this."""
    health_stalled_seconds: Seconds = 120
    """Unhealthy: no daemon has reported progress for so long."""
    health_reply_age_seconds: Seconds = 3600
    """Connectivity: a request is spent only where the last good reply is older."""

    @model_validator(mode="before")
    @classmethod
    def _hosts_by_region(cls, values: dict[str, Any]) -> dict[str, Any]:
        try:
            region = Region(str(values.get("zoho_region", Region.COM)).lower())
        except ValueError:
            region = Region.COM  # the field itself reports it; this keeps the report to that one line
        hosts = hosts_of(region)
        values.setdefault("zoho_api_base_url", hosts.api_base_url)
        values.setdefault("zoho_accounts_base_url", hosts.accounts_base_url)
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        timeout = self.zoho_request_timeout_seconds
        problems = []
        if self.outbox_lease_seconds <= timeout:
            problems.append(
                f"OUTBOX_LEASE_SECONDS ({self.outbox_lease_seconds:g}) must be above"
                f" ZOHO_REQUEST_TIMEOUT_SECONDS ({timeout:g})"
            )
        if self.outbox_ambiguous_recheck_seconds < timeout:
            problems.append(
                f"OUTBOX_AMBIGUOUS_RECHECK_SECONDS ({self.outbox_ambiguous_recheck_seconds:g}) must not be"
                f" below ZOHO_REQUEST_TIMEOUT_SECONDS ({timeout:g})"
            )
        if self.outbox_retry_max_seconds < self.outbox_retry_base_seconds:
            problems.append(
                f"OUTBOX_RETRY_MAX_SECONDS ({self.outbox_retry_max_seconds:g}) must not be below"
                f" OUTBOX_RETRY_BASE_SECONDS ({self.outbox_retry_base_seconds:g})"
            )
        listen = self.outbox_http_listen
        if listen is not None and not is_loopback_host(listen.host) and not self.outbox_http_trust_proxy:
            problems.append(
                f"OUTBOX_HTTP_LISTEN ({listen}) is not loopback: only with OUTBOX_HTTP_TRUST_PROXY=true,"
                " behind a proxy that speaks TLS"
            )
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def zone(self) -> ZoneInfo:
        """``ZOHO_TIME_ZONE`` as an object (cached by zoneinfo)."""
        return ZoneInfo(self.zoho_time_zone)

    @property
    def api_is_simulated(self) -> bool:
        """Whether the API base points at this machine, which no data centre of Zoho is."""
        return is_loopback_url(self.zoho_api_base_url)


SettingsKind = TypeVar("SettingsKind", bound=DatabaseSettings)


def load_settings(environ: Mapping[str, str] | None = None, *, required: type[SettingsKind]) -> SettingsKind:
    """Gathers and checks the settings of kind ``required`` (:class:`Settings` or :class:`DatabaseSettings`).

    ``environ`` is the process environment by default. Raises :class:`SettingsError` with every problem at
    once; the command line prints it and exits 2, before any connection.
    """
    environ = os.environ if environ is None else environ
    names = {name.upper() for name in Settings.model_fields}
    problems: list[str] = []

    from_file: dict[str, str] = {}
    env_file = environ.get(ENV_FILE_VARIABLE)
    if env_file:
        from_file = _read_env_file(Path(env_file), problems)
        problems.extend(_unknown_in_file(from_file, names))
    problems.extend(_misspelt_in_environment(environ, names))

    wanted = [name.upper() for name in required.model_fields]
    values: dict[str, str] = {}
    for layer in (from_file, environ, _read_credentials(environ, wanted, problems)):
        for name in wanted:
            value = layer.get(name)
            if value is not None and (value.strip() or name == "OUTBOX_HTTP_LISTEN"):
                values[name.lower()] = value.strip()
    try:
        settings = required.model_validate(values)
    except ValidationError as error:
        problems.extend(_explain(error, given=values))
    else:
        if not problems:
            return settings
    # Outside the except block: pydantic's error must not hang on ours as its context.
    raise SettingsError(problems)


def _read_env_file(path: Path, problems: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8") as stream:
            for binding in parse_stream(stream):
                if binding.error:
                    problems.append(f"{ENV_FILE_VARIABLE}: line {binding.original.line} is not NAME=value")
                elif binding.key is not None and binding.value is None:
                    problems.append(f"{ENV_FILE_VARIABLE}: line {binding.original.line} has no '='")
                elif binding.key is not None and binding.value is not None:
                    values[binding.key] = binding.value
    except UnicodeDecodeError:
        problems.append(f"{ENV_FILE_VARIABLE}: {path} is not UTF-8 text")
    except OSError as error:
        problems.append(f"{ENV_FILE_VARIABLE}: {path} cannot be read: {error.strerror}")
    return values


def _read_credentials(environ: Mapping[str, str], wanted: Iterable[str], problems: list[str]) -> dict[str, str]:
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return {}
    values: dict[str, str] = {}
    for name in wanted:
        try:
            values[name] = Path(directory, name.lower()).read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except UnicodeDecodeError:
            problems.append(f"{name}: its systemd credential is not UTF-8 text")
        except OSError as error:
            problems.append(f"{name}: its systemd credential cannot be read: {error.strerror}")
    return values


OUR_PREFIXES = ("ZOHO_", "OUTBOX_", "HEALTH_", "ENABLE_ZOHO")


def _unknown_in_file(values: Iterable[str], names: set[str]) -> Iterator[str]:
    for name in values:
        if name.startswith(OUR_PREFIXES) and name not in names and name != ENV_FILE_VARIABLE:
            nearest = max(names, key=lambda known: SequenceMatcher(None, name, known).ratio())
            close = SequenceMatcher(None, name, nearest).ratio() > 0.7
            hint = f"; did you mean {nearest}?" if close else ""
            yield f"{name}: unknown setting in the file named by {ENV_FILE_VARIABLE}{hint}"


def _misspelt_in_environment(environ: Iterable[str], names: set[str]) -> Iterator[str]:
    # The host's own applications have ZOHO_ variables too, so a foreign name is none of our business unless
    # it can hardly be anything but one of ours, mistyped.
    for name in environ:
        if name.startswith(OUR_PREFIXES) and name not in names and name != ENV_FILE_VARIABLE:
            meant = next((known for known in sorted(names) if _is_misspelling(name, known)), None)
            if meant is not None:
                yield f"{name}: unknown setting; did you mean {meant}?"


def _is_misspelling(name: str, known: str) -> bool:
    if name.replace("_", "") == known.replace("_", ""):
        return True
    words, known_words = name.split("_"), known.split("_")
    # An extra word is a name of its own: ZOHO_CRM_REFRESH_TOKEN is 0.9 alike to ZOHO_REFRESH_TOKEN.
    return (
        len(words) == len(known_words)
        and SequenceMatcher(None, name, known).ratio() >= 0.85
        and all(SequenceMatcher(None, *pair).ratio() >= 0.6 for pair in zip(words, known_words, strict=True))
    )


def _explain(error: ValidationError, given: Mapping[str, str]) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False, include_context=False):
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            yield from message.splitlines()
            continue
        name = str(problem["loc"][0])
        if name == "database_listen_url" and name not in given:
            continue  # a copy of DATABASE_URL, which is reported itself
        yield f"{name.upper()}: {'required, and not set' if problem['type'] == 'missing' else message}"
