"""What doctor says of the settings alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from outbox.commands.doctor.findings import Finding, failed, not_checked, ok, warning
from outbox.commands.failures import WrongUse
from outbox.commands.status import StatusSettings
from outbox.settings import (
    MINIMUM_ADMIN_TOKEN_CHARACTERS,
    Settings,
    SettingsError,
    load_settings,
)
from outbox.wording import count
from outbox.zoho.regions import is_loopback_host


@dataclass(frozen=True)
class Given:
    """The settings as far as they can be used."""

    base: StatusSettings
    """The database and the mode: enough for its part."""
    settings: Settings | None
    """None: something is missing or wrong, and Zoho cannot be asked."""
    problems: tuple[str, ...]
    """One line each."""

    def secret_values(self) -> tuple[str, ...]:
        """For redaction."""
        return (self.settings or self.base).secret_values()


def gather(environ: Mapping[str, str] | None = None) -> Given:
    """Loads the settings. Raises :class:`SettingsError` where not even the database's part can be done."""
    problems: tuple[str, ...] = ()
    settings: Settings | None = None
    try:
        settings = load_settings(environ, required=Settings)
    except SettingsError as error:
        problems = error.problems
    try:
        base = load_settings(environ, required=StatusSettings)
    except SettingsError:
        raise SettingsError(problems) from None
    return Given(base, settings, problems)


def check_settings(given: Given) -> Iterator[Finding]:
    """All checks that need nobody else."""
    settings = given.settings
    for problem in given.problems:
        name, _, what = problem.partition(": ")
        yield failed("settings", problem, f"set {name}" if what.startswith("required") else f"correct {name}")
    if settings is None:
        for check in ("sync", "http", "alerts"):
            yield not_checked(check, "the settings are incomplete")
        return
    yield ok("settings", f"complete; Zoho at {settings.zoho_api_base_url}")
    yield check_sync(settings)
    yield check_http(settings)
    yield check_alerts(settings)


def check_sync(settings: Settings) -> Finding:
    """ENABLE_ZOHO_SYNC."""
    if settings.enable_zoho_sync:
        return ok("sync", "ENABLE_ZOHO_SYNC=true: a daemon with these settings sends")
    return warning(
        "sync", "ENABLE_ZOHO_SYNC=false: a daemon with these settings sends nothing", "set it to true to send"
    )


def check_http(settings: Settings) -> Finding:
    """OUTBOX_HTTP_LISTEN and OUTBOX_ADMIN_TOKEN. Whether the address is free is not asked: the daemon may have it."""
    listen, token = settings.outbox_http_listen, settings.outbox_admin_token
    if listen is None:
        said = "OUTBOX_HTTP_LISTEN is empty: no dashboard, API, health or metrics"
        return ok("http", said + ("; OUTBOX_ADMIN_TOKEN is without use" if token is not None else ""))
    if token is None:
        return warning(
            "http",
            f"{listen}: OUTBOX_ADMIN_TOKEN is not set, so dashboard and API refuse everybody",
            f"set OUTBOX_ADMIN_TOKEN to at least {MINIMUM_ADMIN_TOKEN_CHARACTERS} random characters, or "
            "OUTBOX_HTTP_LISTEN to nothing",
        )
    if len(set(token.get_secret_value())) < 10:
        return warning(
            "http",
            f"{listen}: OUTBOX_ADMIN_TOKEN has fewer than 10 different characters: it can be guessed",
            "make a random one: openssl rand -hex 32",
        )
    if not is_loopback_host(listen.host):
        return warning(
            "http",
            f"{listen} is not loopback (OUTBOX_HTTP_TRUST_PROXY=true): whoever reaches it without the proxy sends the "
            "token in clear",
            "let only the proxy that speaks TLS reach the port",
        )
    return ok("http", f"{listen}, OUTBOX_ADMIN_TOKEN is set")


def check_alerts(settings: Settings) -> Finding:
    """ALERT_URLS, each by its place: they are secrets."""
    urls = settings.alert_urls
    if not urls:
        return ok("alerts", "ALERT_URLS is not set: alert-failed has nobody to tell")
    wrong = [f"number {place} ({_scheme(url)})" for place, url in enumerate(urls, start=1) if not _is_understood(url)]
    if wrong:
        return failed(
            "alerts",
            f"{count(len(wrong), 'address', 'addresses')} of the {len(urls)} in ALERT_URLS cannot be understood: "
            f"{', '.join(wrong)}",
            "correct each as https://appriseit.com/services/ says of its service; a comma inside one is written %2C",
        )
    return ok(
        "alerts", f"{count(len(urls), 'address', 'addresses')}, understood; whether they are right shows when used"
    )


def _is_understood(url: SecretStr) -> bool:
    # As alert-failed itself. Only where there is something to alert: it takes a second to load.
    from outbox.commands.alert.receivers import receivers  # noqa: PLC0415

    try:
        receivers([url])
    except WrongUse:
        return False
    return True


def _scheme(url: SecretStr) -> str:
    try:
        scheme = urlsplit(url.get_secret_value()).scheme
    except ValueError:
        scheme = ""
    return f"{scheme}://…" if scheme else "without a scheme"
