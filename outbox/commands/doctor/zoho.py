"""What doctor says of Zoho: pure functions from answers to findings."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_never

from outbox.commands.doctor.database import check_clock
from outbox.commands.doctor.findings import Finding, failed, listed, not_checked, ok, unknown, warning
from outbox.database import Row
from outbox.entities.catalogue import Plan, Tax
from outbox.entities.contract import CannotMap, Terms
from outbox.entities.invoice_lines import Line
from outbox.entities.invoice_totals import Figures, line_tax
from outbox.entities.text import clean
from outbox.settings import RecurringBilling, Settings
from outbox.store.doctor import MOST_FIGURES
from outbox.vocabulary import EntityType, FailureClass
from outbox.wording import count, moment
from outbox.zoho.authorization import CredentialsRefused
from outbox.zoho.exchange import ApiReply, ApiRequest, path_segment
from outbox.zoho.failures import CallFailed, Failure, FailureKind
from outbox.zoho.json_text import JsonValue
from outbox.zoho.ports import SendingStopped

NOBODY = "0"
"""An id that no record has: a request about it shows whether the token may, and can do nothing."""

MODULES = {
    EntityType.CUSTOMER: "customers",
    EntityType.SUBSCRIPTION: "subscriptions",
    EntityType.INVOICE: "invoices",
    EntityType.PAYMENT: "payments",
}
"""Of Zoho's API: the path, and the module of a scope."""

_ACTIONS = {
    EntityType.CUSTOMER: "markasactive",
    EntityType.SUBSCRIPTION: "reactivate",
    EntityType.INVOICE: "converttoopen",
    EntityType.PAYMENT: "refunds",
}
"""A POST below a record: CREATE is the right that it needs (sheet 1.4)."""


@dataclass(frozen=True)
class Barred:
    """Zoho was not asked. ``why`` also says until when, where that is known."""

    why: str


Answer = ApiReply | Failure | Barred
"""What came of one request."""


def barred_by(stopped: SendingStopped) -> Barred:
    """Permission was refused: paused, throttled, the day's quota."""
    until = f", until {moment(stopped.until)}" if stopped.until is not None else ""
    return Barred(f"Zoho may not be asked now ({stopped.state}: {stopped.reason}{until})")


def stops_everything(failure: Failure) -> bool:
    """Whether the next request would fare no better, and only cost."""
    return failure.failure_class in (FailureClass.THROTTLED, FailureClass.OUTAGE) or failure.kind in (
        FailureKind.WRONG_REGION,
        FailureKind.NO_AUTHENTICATION,
    )


def is_throttled_or_away(failure: Failure) -> bool:
    """Whether nobody would fare better."""
    return failure.failure_class is FailureClass.THROTTLED or failure.kind is FailureKind.UNREACHABLE


def check_credentials(outcome: int | SendingStopped | CallFailed | None, zoho_region: str) -> Finding:
    """``outcome``: the generation of the token that was minted for this check; None: somebody else minted first."""
    match outcome:
        case int():
            return ok("credentials", f"client, secret and refresh token are good: token number {outcome} was minted")
        case None:
            return unknown(
                "credentials", "another process has just minted a token with its own settings", "run doctor again"
            )
        case SendingStopped():
            return unknown(
                "credentials",
                f"no token may be minted until {moment(outcome.until)}: {outcome.reason}",
                "wait that long; look for who else mints with this refresh token (Zoho allows 10 in 10 minutes)",
            )
        case CredentialsRefused():
            return failed("credentials", f"{outcome.failure.message} (ZOHO_REGION={zoho_region})", outcome.advice)
        case CallFailed():
            return unknown("credentials", outcome.failure.message, outcome.failure.advice)
        case _:
            assert_never(outcome)


@dataclass(frozen=True)
class ListedOrganisation:
    """A row of ``GET /organizations`` (sheet 2.0)."""

    id: str
    name: str
    mode: str
    currency: str
    time_zone: str
    is_active: bool


def organisations_of(body: Mapping[str, JsonValue]) -> list[ListedOrganisation]:
    """Those of the refresh token's user."""
    rows = body.get("organizations")

    def text(row: Mapping[str, JsonValue], key: str) -> str:
        return "" if row.get(key) is None else str(row.get(key))

    return [
        ListedOrganisation(
            text(row, "organization_id"),
            text(row, "name"),
            text(row, "mode"),
            text(row, "currency_code"),
            text(row, "time_zone"),
            row.get("is_org_active") is not False,
        )
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, Mapping)
    ]


def check_organisation(answer: Answer, settings: Settings) -> Iterator[Finding]:
    """Identity, currency and time zone; one finding each."""
    rest = ("currency", "time_zone")
    match answer:
        case Barred():
            yield from (not_checked(check, answer.why) for check in ("organisation", *rest))
            return
        case Failure():
            missing = answer.kind is FailureKind.SCOPE_OR_ORGANISATION
            why = "the refresh token lacks ZohoSubscriptions.settings.READ" if missing else str(answer)
            yield unknown("organisation", why, "see scopes" if missing else answer.advice)
            yield from (not_checked(check, "the organisations could not be listed") for check in rest)
            return
        case ApiReply():
            pass
        case _:
            assert_never(answer)
    listed_ones = organisations_of(answer.body)
    wanted = settings.zoho_billing_organization_id
    ours = next((each for each in listed_ones if each.id == wanted), None)
    if ours is None:
        known = listed([f"{each.id} ({each.name})" for each in listed_ones]) or "there is none"
        yield failed(
            "organisation",
            f"organisation {wanted} is not among those of the refresh token's user: {known}",
            "set ZOHO_BILLING_ORGANIZATION_ID to one of them (a Zoho Books id is no Zoho Billing id), or authorise as "
            "a user of that organisation",
        )
        yield from (not_checked(check, "the organisation was not found") for check in rest)
        return
    if ours.is_active:
        yield ok("organisation", f"{ours.id} ({ours.name}), mode {ours.mode or 'unknown'}")
    else:
        yield warning(
            "organisation",
            f"{ours.id} ({ours.name}): Zoho says that it is not active, and may refuse everything",
            "look at its subscription in Zoho",
        )
    yield _check_currency(ours, settings.zoho_currency)
    yield _check_time_zone(ours, settings.zoho_time_zone)


def _check_currency(ours: ListedOrganisation, currency: str) -> Finding:
    if ours.currency == currency:
        return ok("currency", currency)
    return failed(
        "currency",
        f"the organisation keeps its books in {ours.currency or 'no known currency'}, and ZOHO_CURRENCY is {currency}",
        "set ZOHO_CURRENCY to the one that the host's amounts are in, or use the organisation of that currency",
    )


def _check_time_zone(ours: ListedOrganisation, time_zone: str) -> Finding:
    if ours.time_zone == time_zone:
        return ok("time_zone", time_zone)
    return warning(
        "time_zone",
        f"the organisation's time zone is {ours.time_zone or 'unknown'}, and ZOHO_TIME_ZONE is {time_zone}: dates are "
        "sent in the latter",
        "set both to the zone in which the company counts its days",
    )


def is_ours(answer: Answer, settings: Settings) -> bool:
    """Whether the organisation that the settings name answered, so that requests in its name make sense."""
    if isinstance(answer, Failure):
        # Its list needs a scope that the others do not.
        return answer.kind is FailureKind.SCOPE_OR_ORGANISATION
    wanted = settings.zoho_billing_organization_id
    return isinstance(answer, ApiReply) and any(each.id == wanted for each in organisations_of(answer.body))


def sent_types(billing: RecurringBilling) -> list[EntityType]:
    """Subscriptions are not sent while the host bills (decisions.md, Who bills)."""
    return [each for each in EntityType if billing is RecurringBilling.ZOHO or each is not EntityType.SUBSCRIPTION]


def scope(module: str, right: str) -> str:
    """As Zoho writes it (sheet 1.4)."""
    return f"ZohoSubscriptions.{module}.{right}"


def all_scopes(billing: RecurringBilling) -> list[str]:
    """What a refresh token needs."""
    rights = [scope(MODULES[kind], right) for kind in sent_types(billing) for right in ("READ", "CREATE", "UPDATE")]
    plans = [scope("plans", "READ")] if billing is RecurringBilling.ZOHO else []
    return [scope("settings", "READ"), *plans, *rights]


def reading_request(kind: EntityType, zoho_id: str | None) -> ApiRequest:
    """Shows READ, and the custom fields where the record is known."""
    return ApiRequest("GET", f"/{MODULES[kind]}/{path_segment(zoho_id or NOBODY)}")


def labels_sent(kind: EntityType, settings: Settings) -> list[str]:
    """Of the custom fields that a type carries."""
    number = settings.zoho_account_number_field if kind is EntityType.CUSTOMER else None
    return [label for label in (settings.zoho_external_id_field, number) if label is not None]


def writing_requests(kind: EntityType, labels: Sequence[str]) -> dict[str, ApiRequest]:
    """By scope, requests to write to a record that does not exist.

    Reads cannot show whether a token may write. That Zoho asks for the right before it looks for the record is what
    the simulator does, too; where it did not, a missing right would go unnoticed here, and nothing worse. The update
    names the custom fields: where Zoho looks at those before the record, it says which one it does not know.
    """
    path = f"/{MODULES[kind]}/{NOBODY}"
    fields: list[JsonValue] = [{"label": label, "value": "zoho-outbox doctor"} for label in labels]
    return {
        scope(MODULES[kind], "CREATE"): ApiRequest("POST", f"{path}/{_ACTIONS[kind]}", body={}, idempotent=True),
        scope(MODULES[kind], "UPDATE"): ApiRequest("PUT", path, body={"custom_fields": fields} if fields else {}),
    }


def check_scopes(answers: Mapping[str, Answer], wanted: Sequence[str]) -> Iterator[Finding]:
    """``answers``: by scope, what a request came to that needs it."""
    missing, barred, undecided = [], [], []
    for name in wanted:
        match answers.get(name):
            case None:
                barred.append(f"{name} (not asked)")
            case Barred(why=why):
                barred.append(f"{name} ({why})" if not barred else name)
            case ApiReply():
                pass
            case Failure(kind=FailureKind.SCOPE_OR_ORGANISATION):
                missing.append(name)
            case Failure(failure_class=FailureClass.PERMANENT):
                pass  # It was looked at, and refused for what it was: a record that does not exist.
            case Failure() as failure:
                undecided.append(f"{name} ({failure})")
    if missing:
        yield failed(
            "scopes",
            f"the refresh token lacks {', '.join(missing)}",
            f"scopes cannot be added: authorise again with scope={','.join(wanted)} and set ZOHO_REFRESH_TOKEN",
        )
    if undecided:
        yield unknown("scopes", listed(undecided), "run doctor again")
    if barred:
        yield not_checked("scopes", listed(barred, most=20))
    if not (missing or undecided or barred):
        yield ok("scopes", f"all {len(wanted)} that are needed")


def with_taxes(terms: Terms, taxes: Sequence[Tax]) -> Terms:
    """``terms`` as sending has them."""
    return replace(terms, taxes=tuple(taxes))


def listed_rates(terms: Terms) -> list[Decimal]:
    """Of ZOHO_TAX_IDS and of Zoho's taxes, in percent."""
    return sorted({*terms.tax_ids, *(tax.rate for tax in terms.taxes or ())})


def check_taxes(rows: Sequence[Row], terms: Terms) -> Iterator[Finding]:
    """``rows``: rates and figures of invoices; ``terms``: ZOHO_TAX_IDS and Zoho's taxes."""
    taxes = terms.taxes or ()
    known = {tax.tax_id for tax in taxes}
    strange = [f"{rate.normalize():f}={tax_id}" for rate, tax_id in terms.tax_ids.items() if tax_id not in known]
    if strange:
        yield failed(
            "taxes",
            f"ZOHO_TAX_IDS names what is no tax (or a group, or inactive) in Zoho: {', '.join(strange)}",
            f"correct it; Zoho has {_shown(taxes)}",
        )
    # By what is wrong, not by invoice: a thousand rows may have one cause.
    causes: dict[str, tuple[int, str]] = {}
    for row in rows:
        figures = Figures(row["subtotal"], row["tax_amount"], row["total_amount"], row["vat_rate"])
        try:
            line_tax(figures, [Line("", Decimal(0), 1)] * row["lines"], terms)
        except CannotMap as problem:
            rate = row["vat_rate"]
            cause = f"the rate {rate.normalize():f} %" if rate is not None else "their tax_amount and subtotal"
            number, example = causes.get(cause, (0, f"{row['example']}: {str(problem).partition(' (known: ')[0]}"))
            causes[cause] = (number + row["invoices"], example)
    for cause, (number, example) in causes.items():
        yield failed(
            "taxes",
            f"{count(number, 'invoice', 'invoices')}: no one tax in Zoho for {cause} (for example {example})",
            f"create the tax in Zoho, or name one tax per rate in ZOHO_TAX_IDS, or correct the rows; Zoho has "
            f"{_shown(taxes)}",
        )
    if not strange and not causes:
        of = sum(row["invoices"] for row in rows)
        most = f" (the commonest {MOST_FIGURES} figures were looked at)" if len(rows) >= MOST_FIGURES else ""
        yield ok("taxes", f"every rate of {count(of, 'invoice', 'invoices')}{most} has one; Zoho has {_shown(taxes)}")


def _shown(taxes: Sequence[Tax]) -> str:
    return listed([f"{tax.rate.normalize():f} % {tax.name} {tax.tax_id}" for tax in taxes]) or "none"


def check_plans(rows: Sequence[Row], plans: Mapping[str, Plan] | None) -> Iterator[Finding]:
    """``rows``: packages of services that Zoho is to bill; ``plans`` None: Zoho's could not be read."""
    told = 0
    for row in rows:
        services = count(row["services"], "service", "services")
        named = f"package {clean(row['named'])} ({services})"
        code = row["sku"]
        finding = None
        if row["package_id"] is None:
            finding = failed(
                "plans",
                f"{services} ({clean(row['named'])}) without a package: nothing says which plan",
                "set customer_services.package_id",
            )
        elif not row["package_exists"]:
            finding = failed(
                "plans",
                f"{services} of package {row['package_id']}, which service_packages has not",
                "correct customer_services.package_id",
            )
        elif not code:
            finding = failed(
                "plans", f"{named} has no sku", "set service_packages.sku to the plan_code of its plan in Zoho"
            )
        elif row["publishing"] != "ok":
            state = row["publishing"] or "missing in product_integrations"
            error = clean(row["publishing_error"])[:200]
            finding = failed(
                "plans",
                f"{named} is not published to Zoho: {state}{f' ({error})' if error else ''}; its services wait",
                "publish it (product_integrations.sync_status 'ok')",
            )
        elif plans is not None and code not in plans:
            finding = failed(
                "plans",
                f"{named}: Zoho has no plan with the plan_code {code}",
                "create the plan in Zoho, or correct service_packages.sku",
            )
        elif plans is not None and not plans[code].active:
            finding = failed("plans", f"{named}: plan {code} is inactive in Zoho", "make it active in Zoho")
        if finding is not None:
            told += 1
            yield finding
    if not told and plans is not None:
        packages = count(len(rows), "package", "packages")
        yield ok("plans", f"{packages} of services that Zoho bills, each published and active in Zoho")


@dataclass(frozen=True)
class FieldReading:
    """What is known of one type's custom fields."""

    kind: EntityType
    labels: Collection[str] | None
    """Those that a record of ours shows; None: none could be read."""
    why_not: str
    """Why ``labels`` is None."""
    shows_account_number: bool
    """The record's row has an account number."""
    refused_at: datetime | None
    """Zoho has refused an unknown field, and no send has gone well since."""
    refused_now: str | None = None
    """Zoho's words, where it refused one just now."""


def field_reading(
    kind: EntityType, known: Row | None, answer: Answer, refused: Row | None, update: Answer | None
) -> FieldReading:
    """``known``: the record of ours that ``answer`` is about; ``refused``: when Zoho last refused a field; ``update``:
    what became of the update of no record.
    """
    labels, why = None, "nothing of ours is in Zoho yet"
    if known is not None:
        match answer:
            case ApiReply():
                labels = labels_of(answer.body.get(kind))
            case Barred():
                why = answer.why
            case Failure():
                why = f"{MODULES[kind]} {known['zoho_id']} could not be read: {answer}"
            case _:
                assert_never(answer)
    return FieldReading(
        kind,
        labels,
        why,
        shows_account_number=known is not None and bool(known["has_account_number"]),
        refused_at=None if refused is None else refused["created_at"],
        refused_now=str(update)
        if isinstance(update, Failure) and update.kind is FailureKind.CUSTOM_FIELD_UNKNOWN
        else None,
    )


def labels_of(record: JsonValue) -> set[str]:
    """The labels of the custom fields that a record shows (sheet 1.7)."""
    fields = record.get("custom_fields") if isinstance(record, Mapping) else None
    rows = fields if isinstance(fields, list) else ()
    return {str(row.get("label")) for row in rows if isinstance(row, Mapping)}


def check_custom_fields(readings: Sequence[FieldReading], settings: Settings) -> Iterator[Finding]:
    """External ID on each type, Account Number on customers.

    No call of Zoho's lists an organisation's fields (sheet 1.7): a record of ours that shows the value proves that the
    field is there. Before there is one, it cannot be told; sending does not rest on that being known.
    """
    number = settings.zoho_account_number_field
    proved, unproved = [], []
    for reading in readings:
        wanted = labels_sent(reading.kind, settings)
        module = MODULES[reading.kind]
        if not wanted:
            continue
        names = " and ".join(repr(label) for label in wanted)
        if reading.refused_now is not None:
            yield failed(
                "custom_fields", f"{module}: Zoho does not know {names}: {reading.refused_now}", _create(module)
            )
            continue
        if reading.refused_at is not None:
            yield failed(
                "custom_fields",
                f"{module}: Zoho refused an unknown custom field at {moment(reading.refused_at)} (code 120129); sent "
                f"{'is' if len(wanted) == 1 else 'are'} {names}",
                _create(module),
            )
            continue
        if reading.labels is None:
            unproved.append(f"{module} {names} ({reading.why_not})")
            continue
        for label in wanted:
            if label in reading.labels:
                proved.append(f"{module} {label!r}")
            elif label == number and not reading.shows_account_number:
                unproved.append(f"{module} {label!r} (no customer of ours with an account number is in Zoho)")
            else:
                yield failed(
                    "custom_fields",
                    f"{module}: a record of ours shows no custom field {label!r}: it was renamed, removed or made "
                    "inactive in Zoho",
                    _create(module),
                )
    if unproved:
        yield warning(
            "custom_fields",
            f"could not tell: no call of Zoho's lists custom fields, and nothing sent proves {listed(unproved)}",
            "see that they are in Zoho Billing, Settings, under each module's custom fields; the first record sent "
            "proves them",
        )
    if proved:
        yield ok("custom_fields", listed(proved))
    if not any(labels_sent(reading.kind, settings) for reading in readings):
        yield ok("custom_fields", "none is sent: both settings are 'none'")


def _create(module: str) -> str:
    return (
        f"create it in Zoho Billing, Settings, custom fields of {module} (text, this very label), or set "
        "ZOHO_EXTERNAL_ID_FIELD / ZOHO_ACCOUNT_NUMBER_FIELD to the label that is there, or to none"
    )


def check_zoho_clock(readings: Sequence[tuple[datetime, datetime]]) -> Finding:
    """``readings``: Zoho's Date header and this machine's time when it came."""
    if not readings:
        # Nothing is sent or refused for it.
        return warning(
            "zoho_clock", "could not tell: Zoho's replies carried no Date", "compare this machine's clock by hand"
        )
    theirs, ours = readings[-1]
    # A header of whole seconds, written some time before it came.
    return check_clock("zoho_clock", "Zoho's", theirs - ours + timedelta(seconds=0.5), timedelta(seconds=1.5))
