"""Every knob of the simulator. The defaults are Zoho's strictest documented behaviour."""

from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

FULL_ACCESS = "ZohoSubscriptions.fullaccess.all"
"""The scope that contains all others (sheet 1.4)."""


class Undocumented(StrEnum):
    """What an undocumented but used feature does (sheet 6). IGNORED, the full list, is the worst realistic
    case."""

    ON = "on"
    BAD_REQUEST = "bad_request"
    NOT_FOUND = "not_found"
    IGNORED = "ignored"


class _Knobs(BaseModel):
    model_config = ConfigDict(extra="forbid", validate_assignment=True)


class LimitSettings(_Knobs):
    """The organisation's quotas (sheet 3, rate limits). None switches one off."""

    requests_per_minute: PositiveInt | None = 100
    """Admitted requests in any rolling 60 s; the next one is refused and blocks the organisation."""
    minute_code: Literal[43, 44] = 44
    """Which of the two recorded forms the refusal has; 43 carries Retry-After, 44 does not."""
    minute_block_seconds: PositiveFloat | None = None
    """How long the block lasts; None: 3600 s for code 43, 60 s for code 44."""
    requests_per_day: PositiveInt | None = 1000
    """Requests in one calendar day of the organisation's zone (the moment of the reset is a guess); code
    45."""
    concurrent_requests: PositiveInt | None = 5
    """Requests in flight at once, the free plan's figure; code 1070."""

    @classmethod
    def wide(cls) -> "LimitSettings":
        """No limit at all: for demos and benchmarks."""
        return cls(requests_per_minute=None, requests_per_day=None, concurrent_requests=None)


class TokenSettings(_Knobs):
    """The token endpoint's limits (sheet 1.3)."""

    mints_per_window: PositiveInt | None = 10
    """Access tokens per refresh token in `window_seconds`; None switches the throttle off."""
    window_seconds: PositiveFloat = 600.0
    block_seconds: PositiveFloat | None = None
    """How long the refusal lasts; None: for the rest of the window."""
    live_tokens: PositiveInt = 10
    """Access tokens alive per refresh token; one more kills the oldest."""
    lifetime_seconds: PositiveFloat = 3600.0


class OrganisationSettings(_Knobs):
    """One organisation, as GET /organizations shows it (sheet 2.0)."""

    organization_id: str = "10234695"
    name: str = "Simulated Company"
    currency_code: str = "ZAR"
    currency_symbol: str = "R"
    price_precision: int = 2
    time_zone: str = "Africa/Johannesburg"
    mode: str = "test"
    plan_name: str = "FREE"


class UndocumentedSettings(_Knobs):
    """Features that no specification lists and that clients use (sheet 6)."""

    customers_email: Undocumented = Undocumented.ON
    """``GET /customers?email=``."""
    customers_phone: Undocumented = Undocumented.ON
    """``GET /customers?phone=``."""
    customers_upsert: Undocumented = Undocumented.BAD_REQUEST
    """``PUT /customers`` without an id, which Books has (sheet 0.1). ON and IGNORED: it creates what it is given;
    BAD_REQUEST: 405."""
    plans_code: Undocumented = Undocumented.IGNORED
    """``GET /plans?plan_code=``; one client uses it."""
    cancel_at_end_in_body: Undocumented = Undocumented.IGNORED
    """``{"cancel_at_end": true}`` as the body of a cancellation; the parameter of the address wins."""
    invoices_number: Undocumented = Undocumented.ON
    """``GET /invoices?invoice_number=``."""
    invoice_payments: Undocumented = Undocumented.ON
    """``GET /invoices/{invoice_id}/payments``; IGNORED and NOT_FOUND are the same."""
    payments_list: Undocumented = Undocumented.ON
    """``GET /payments``, with customer_id and reference_number; IGNORED: every payment, whatever is asked."""
    payments_reference: Undocumented = Undocumented.ON
    """``GET /payments?reference_number=``, where the list itself is there."""


class SubscriptionSettings(_Knobs):
    """What is unknown of Zoho's subscriptions (sheet 2.3). Every default is a guess at the stricter side."""

    prices_include_tax: bool = True
    """Whether plan prices hold their tax. False: `amount` is the price and the tax on it."""
    auto_collect_by_default: bool = True
    """What a create without auto_collect means; True is refused without a card, so that clients say false."""
    cancel_at_end_by_default: bool = False
    """What a cancellation without the parameter means."""
    unique_references: bool = False
    """True: a reference_id that another subscription has is refused (sheet 0.5 says that it may repeat)."""
    refuse_second_cancel: bool = True
    """False: 200 without effect."""
    keep_what_an_update_omits: bool = False
    """False: price, quantity and more that an update does not name become the plan's own again."""
    no_scheduled_changes: Literal["empty", "refused"] = "empty"
    """Answer of scheduledchanges where there are none: 200 with an empty subscription, or 400."""


class CustomerSettings(_Knobs):
    """The organisation's preferences about customers (sheet 0.3 and 2.1)."""

    allow_duplicate_display_names: bool = True
    """Zoho's default; False makes a repeated name 400/3062, on create and on update."""
    email_required: bool = False
    """The specification says required, a record says otherwise; off by default (sheet 2.1)."""
    enforce_length_limits: bool = True
    """The sheet's conservative guesses: display_name 100, phone 50, address line 255, custom field 255."""


class TaxSettings(_Knobs):
    """One tax of the organisation, as ``GET /settings/taxes`` shows it (sheet 2.6)."""

    tax_id: str
    tax_name: str
    tax_percentage: Decimal = Field(ge=0, le=100)
    tax_type: Literal["tax", "tax_group"] = "tax"
    is_default_tax: bool = False
    """The one that a line without tax_id gets; the first such counts."""


def south_african_taxes() -> tuple[TaxSettings, ...]:
    """What a South African organisation starts with."""
    return (
        TaxSettings(
            tax_id="4600000000000015",
            tax_name="Standard Rate",
            tax_percentage=Decimal(15),
            is_default_tax=True,
        ),
        TaxSettings(tax_id="4600000000000017", tax_name="Zero Rate", tax_percentage=Decimal(0)),
    )


class InvoiceSettings(_Knobs):
    """What is unknown of Zoho's invoices, and the organisation's preferences (sheet 2.4)."""

    number_prefix: str = "INV-"
    """Of Zoho's own series: INV-000001 and on."""
    unique_numbers: bool = True
    """A repeated number is 400/1001, also where the other invoice is void (sheet 6, a guess)."""
    void_frees_number: bool = False
    """True: the number of a void invoice may be given again."""
    void_drafts: bool = False
    """True: a draft can be made void without being opened first (sheet 2.4 says otherwise)."""
    tax_rounding: Literal["line", "total"] = "line"
    """Whether tax is rounded to cents on each line, or once for each tax on the sum of its lines; which of the
    two Zoho does is unknown."""
    honour_inclusive_tax: bool = True
    """False: ``is_inclusive_tax`` changes no total. The specification describes it as a discount flag (sheet,
    open question 10)."""
    refuse_repeated_actions: bool = True
    """void of a void invoice, converttoopen of an open one: refused, else 200 without effect. A guess; the
    stricter one, so that clients look first (sheet 4)."""
    enforce_length_limits: bool = True
    """The sheet's guesses: number and reference 50, item name 100, description 2000, unit and terms 100."""


class PaymentSettings(_Knobs):
    """What is unknown of Zoho's payments and refunds (sheet 2.5)."""

    enforce_length_limits: bool = True
    """reference_number 50, description 2000 (guesses)."""
    refuse_above_balance: bool = True
    """False: what is applied above an invoice's balance becomes credit, where anything is owed at all."""
    pay_drafts: bool = False
    """True: a draft takes payments."""
    unique_references: bool = False
    """True: a reference_number that another payment has is refused (sheet 2.5 knows of no such rule)."""
    refund_only_automatic: bool = False
    """True: a refund of a payment whose mode is not autotransaction is refused, as the specification says
    below amount_refunded; refunds.yml says nothing of it."""


class SimulatorSettings(_Knobs):
    """A whole simulator. Credentials are invented and open nothing."""

    client_id: str = "1000.SIMULATOR"
    client_secret: str = "simulator-client-secret"  # noqa: S105 - invented, opens nothing
    refresh_token: str = "1000.simulator.refresh-token"  # noqa: S105 - invented, opens nothing
    scopes: tuple[str, ...] = (FULL_ACCESS,)
    """What `refresh_token` may do; others are added by ``POST /_simulator/refresh-tokens``."""
    api_domain: str | None = None
    """`api_domain` of a token reply; None: the root under which the token was asked for."""

    organisation: OrganisationSettings = Field(default_factory=OrganisationSettings)
    other_organisations: tuple[OrganisationSettings, ...] = ()
    """More organisations of the same user, each with its own books. Any other id is refused with 6041."""
    default_organization_id: str | None = None
    """Where a request without an organisation lands (sheet 1.5); None: `organisation`."""
    foreign_organisation_code: Literal[6041, 57] = 6041
    """Both refusals of a wrong organisation are reported: 400/6041 and 401/57 (sheet 1.5)."""

    custom_field_labels: tuple[str, ...] = ("External ID", "Account Number")
    """Labels that exist in the organisation, on every module; any other is 400/120129."""
    customers: CustomerSettings = Field(default_factory=CustomerSettings)
    subscriptions: SubscriptionSettings = Field(default_factory=SubscriptionSettings)
    invoices: InvoiceSettings = Field(default_factory=InvoiceSettings)
    payments: PaymentSettings = Field(default_factory=PaymentSettings)
    taxes: tuple[TaxSettings, ...] = Field(default_factory=south_african_taxes)
    """Of every organisation; may be none, and may have the same rate twice."""
    taxes_as_text: bool = True
    """``GET /settings/taxes`` as the specification types it, all text; False: numbers and booleans."""
    missing_status: Literal[400, 404] = 404
    """HTTP status of 1002 for invoices, payments and refunds, which no source tells (sheet 3)."""
    undocumented: UndocumentedSettings = Field(default_factory=UndocumentedSettings)
    refuse_unknown_keys: bool = False
    """Zoho ignores body keys that it does not know, and so does the simulator, counting them; True: 400."""

    limits: LimitSettings = Field(default_factory=LimitSettings)
    tokens: TokenSettings = Field(default_factory=TokenSettings)
    latency_seconds: NonNegativeFloat = 0.0
    """Real time each API request takes before it is answered."""
    list_lag_seconds: NonNegativeFloat = 0.0
    """Seconds a new record stays invisible in lists, though not by its id (sheet 6)."""
    date_header: bool = True
    """Replies say what time it is by the simulator's clock, as every server should; False: they do not."""
    seed: int = 0
    """Of the dice behind faults with a probability."""
    journal_length: int = Field(default=2000, ge=0)
    """How many requests ``GET /_simulator/requests`` remembers."""

    def change(self, changes: dict[str, Any]) -> None:
        """Apply a nested change, such as ``{"limits": {"requests_per_minute": 60}}``, whole or not at all.

        Raises pydantic.ValidationError, naming the key, where one is unknown or a value does not fit.
        """
        merged = SimulatorSettings.model_validate(_merged(self.model_dump(), changes))
        for name in SimulatorSettings.model_fields:
            setattr(self, name, getattr(merged, name))


def _merged(old: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    result = dict(old)
    for key, value in changes.items():
        held = result.get(key)
        result[key] = _merged(held, value) if isinstance(held, dict) and isinstance(value, dict) else value
    return result
