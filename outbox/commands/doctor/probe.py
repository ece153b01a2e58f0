"""``doctor --probe``: the open questions about Zoho's API, answered by trying them in an organisation for tests.

Everything that is made carries "zoho-outbox probe" and a tag of this run, is removed at the end, the last first, and
named where that failed. Nothing of the host's is touched: no row, no entry, no record that is there already.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import assert_never

import anyio

from outbox.clock import Clock
from outbox.commands.doctor.asking import Asking
from outbox.commands.doctor.questions import (
    ACCEPTED,
    HONOURED,
    IGNORED,
    NOT_TRIED,
    REFUSED,
    UNKNOWN,
    ProbeAnswer,
    Question,
)
from outbox.commands.doctor.zoho import Answer, Barred
from outbox.database import DatabaseUnavailable
from outbox.entities.catalogue import taxes_of
from outbox.settings import Settings
from outbox.vocabulary import FailureClass
from outbox.zoho.exchange import ApiReply, ApiRequest, Method, path_segment
from outbox.zoho.failures import Failure, FailureKind
from outbox.zoho.json_text import JsonValue

Record = Mapping[str, JsonValue]

PRICE = Decimal(115)
LENGTHS = (50, 100, 150, 200, 255, 500)
"""Tried one after another until one is refused."""
LOOKS = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each look whether a list shows what was just made."""
STARTS_IN = timedelta(days=300)
"""A subscription that has not begun raises no invoice."""
OWN_NUMBER = {"ignore_auto_number_generation": "true"}


@dataclass(frozen=True)
class Undo:
    """How something that was made is removed: the last request decides, those before prepare it."""

    named: str
    requests: tuple[ApiRequest, ...]


@dataclass
class Probe:
    """One run. ``tag`` tells its records from those of other runs."""

    asking: Asking
    settings: Settings
    clock: Clock
    sleep: Callable[[float], Awaitable[None]]
    tag: str
    tell: Callable[[ProbeAnswer], Awaitable[None]]
    left: list[str] = field(default_factory=list)
    """What could not be removed, and why."""
    _undo: list[Undo] = field(default_factory=list)
    _told: set[Question] = field(default_factory=set)

    async def run(self) -> None:
        """Answers every question, whatever happens, and cleans up."""
        try:
            await self._customers()
        finally:
            # Also where it is interrupted: what was made must not stay.
            with anyio.CancelScope(shield=True):
                await self._clean_up()
        for question in Question:
            if question not in self._told:
                await self._answer(question, UNKNOWN, "could not be tried: what it needs could not be made, see above")

    # What is tried, in an order in which each thing made serves several questions.

    async def _customers(self) -> None:
        email = f"probe-{self.tag}@example.com"
        one = await self._make("customers", "customer", {"display_name": self._named("one"), "email": email})
        if one is None:
            return
        two, said = await self._try("customers", "customer", {"display_name": self._named("two")})
        await self._permitted(Question.CUSTOMER_WITHOUT_EMAIL, said, "a customer without e-mail")
        if two is None:
            two = await self._make(
                "customers", "customer", {"display_name": self._named("two"), "email": f"other-{email}"}
            )
        customer = str(one["customer_id"])
        other = str(two["customer_id"]) if two is not None else None
        await self._filter(Question.CUSTOMERS_BY_EMAIL, "customers", ("email", email), ours=customer, other=other)
        await self._upsert()
        await self._refusals()
        await self._invoices(customer, other)
        await self._subscriptions(customer)
        await self._longest(
            Question.LONGEST_DISPLAY_NAME,
            lambda text: ApiRequest("PUT", f"/customers/{path_segment(customer)}", body={"display_name": text}),
        )

    async def _upsert(self) -> None:
        body: Record = {"display_name": self._named("upsert"), "email": f"upsert-{self.tag}@example.com"}
        headers = {
            "X-Unique-Identifier-Key": "cf_external_id",
            "X-Unique-Identifier-Value": self.tag,
            "X-Upsert": "true",
        }
        answer = await self.asking.ask(ApiRequest("PUT", "/customers", body=body), headers=headers)
        if isinstance(answer, ApiReply):
            self._to_remove("customers", answer.body.get("customer"))
        await self._permitted(Question.UPSERT, answer, "PUT /customers without an id")

    async def _refusals(self) -> None:
        dead = {
            "Authorization": "Zoho-oauthtoken 1000.00000000000000000000000000000000.00000000000000000000000000000000"
        }
        look = ApiRequest("GET", "/customers", {"per_page": "1"})
        await self._code(Question.DEAD_TOKEN, await self.asking.ask(look, headers=dead), "a token that is none")
        foreign = {"X-com-zoho-subscriptions-organizationid": "1"}
        await self._code(
            Question.WRONG_ORGANISATION, await self.asking.ask(look, headers=foreign), "the organisation 1"
        )
        await self._answer(
            Question.MISSING_SCOPE, NOT_TRIED, "not tried: this refresh token has what it needs; doctor reads a refusal"
        )
        await self._answer(
            Question.DAY_LIMIT, NOT_TRIED, "not tried: it would block the organisation; ZOHO_DAILY_REQUEST_LIMIT holds"
        )

    async def _invoices(self, customer: str, other: str | None) -> None:
        tax = await self._tax()
        first = await self._make("invoices", "invoice", self._bill(customer, "1", tax), OWN_NUMBER)
        if first is None:
            return
        await self._inclusive_tax(first, tax)
        draft = await self._make("invoices", "invoice", self._bill(customer, "2", tax), OWN_NUMBER)
        if draft is not None:
            await self._list_lag(customer, str(draft["invoice_id"]))
            other_id = str(draft["invoice_id"])
            number, first_id = self._number("1"), str(first["invoice_id"])
            await self._filter(
                Question.INVOICES_BY_NUMBER, "invoices", ("invoice_number", number), ours=first_id, other=other_id
            )
        again, said = await self._try("invoices", "invoice", self._bill(customer, "1", tax), OWN_NUMBER)
        await self._permitted(Question.REPEATED_INVOICE_NUMBER, said, "an invoice number that another invoice has")
        await self._payments(customer, other, first, draft)
        if draft is not None:
            answer = await self._post(f"/invoices/{path_segment(str(draft['invoice_id']))}/void")
            await self._permitted(Question.VOID_ON_DRAFT, answer, "void of a draft")
        if again is None:
            await self._number_of_void(customer, tax)
        else:
            await self._answer(
                Question.NUMBER_OF_VOID_INVOICE, ACCEPTED, "numbers may be repeated, whatever becomes of the other"
            )

    async def _number_of_void(self, customer: str, tax: str | None) -> None:
        made = await self._make("invoices", "invoice", self._bill(customer, "3", tax), OWN_NUMBER)
        if made is None:
            return
        path = f"/invoices/{path_segment(str(made['invoice_id']))}"
        await self._post(f"{path}/converttoopen")
        void = await self._post(f"{path}/void")
        if not isinstance(void, ApiReply):
            await self._answer(Question.NUMBER_OF_VOID_INVOICE, UNKNOWN, f"the invoice could not be made void: {void}")
            return
        _, said = await self._try("invoices", "invoice", self._bill(customer, "3", tax), OWN_NUMBER)
        await self._permitted(Question.NUMBER_OF_VOID_INVOICE, said, "the number of a void invoice")

    async def _payments(self, customer: str, other: str | None, invoice: Record, draft: Record | None) -> None:
        reference = f"PROBE-{self.tag}"
        paid = await self._make("payments", "payment", self._pay(customer, reference))
        repeated, said = await self._try("payments", "payment", self._pay(customer, reference))
        await self._permitted(Question.REPEATED_PAYMENT_REFERENCE, said, "two payments with one reference_number")
        payer = other or customer
        third = await self._make("payments", "payment", self._pay(payer, f"{reference}-other"))
        if paid is not None and third is not None:
            ours, theirs = str(paid["payment_id"]), str(third["payment_id"])
            if payer != customer:
                await self._filter(
                    Question.PAYMENTS_BY_CUSTOMER, "payments", ("customer_id", customer), ours=ours, other=theirs
                )
            await self._filter(
                Question.PAYMENTS_BY_REFERENCE, "payments", ("reference_number", reference), ours=ours, other=theirs
            )
        if draft is not None:
            on_draft = self._pay(customer, f"{reference}-draft", {str(draft["invoice_id"]): Decimal(1)})
            _, said = await self._try("payments", "payment", on_draft)
            await self._permitted(Question.PAYMENT_ON_DRAFT, said, "a payment on a draft")
        first_id = str(invoice["invoice_id"])
        await self._post(f"/invoices/{path_segment(first_id)}/converttoopen")
        too_much = Decimal(str(invoice.get("total", PRICE))) + 10
        _, said = await self._try("payments", "payment", self._pay(customer, f"{reference}-over", {first_id: too_much}))
        await self._permitted(Question.PAYMENT_OVER_BALANCE, said, "more applied than an invoice has left")
        if repeated is not None or paid is not None:
            of = repeated or paid
            assert of is not None  # noqa: S101 - one of the two is not None
            path = f"/payments/{path_segment(str(of['payment_id']))}"
            await self._longest(
                Question.LONGEST_REFERENCE_NUMBER,
                lambda text: ApiRequest("PUT", path, body={**self._pay(customer, text), "invoices": []}),
            )

    async def _subscriptions(self, customer: str) -> None:
        answer, plans = await self.asking.rows(ApiRequest("GET", "/plans", {"filter_by": "PlanStatus.ACTIVE"}), "plans")
        if not plans:
            why = "Zoho has no active plan" if isinstance(answer, ApiReply) else _words(answer)
            for question in (
                Question.REPEATED_REFERENCE_ID,
                Question.SECOND_CANCEL,
                Question.CANCEL_AT_END_IN_BODY,
                Question.LONGEST_REFERENCE_ID,
            ):
                await self._answer(question, UNKNOWN, f"could not be tried: {why}")
            return
        later = (self.clock.now(self.settings.zone).date() + STARTS_IN).isoformat()
        body: Record = {
            "customer_id": customer,
            "plan": {"plan_code": str(plans[0]["plan_code"])},
            "auto_collect": False,
            "reference_id": f"PROBE-{self.tag}",
            "starts_at": later,
        }
        first = await self._make("subscriptions", "subscription", body)
        if first is None:
            return
        _, said = await self._try("subscriptions", "subscription", body)
        await self._permitted(Question.REPEATED_REFERENCE_ID, said, "two subscriptions with one reference_id")
        path = f"/subscriptions/{path_segment(str(first['subscription_id']))}"
        await self._longest(
            Question.LONGEST_REFERENCE_ID,
            lambda text: ApiRequest("POST", f"{path}/reference", body={"reference_id": text}, idempotent=True),
        )
        at_once = {"cancel_at_end": "false"}
        if isinstance(await self._post(f"{path}/cancel", query=at_once), ApiReply):
            answer = await self._post(f"{path}/cancel", query=at_once)
            await self._permitted(Question.SECOND_CANCEL, answer, "cancelling what is cancelled")
        await self._cancel_in_body({**body, "reference_id": f"PROBE-{self.tag}-body"})

    async def _cancel_in_body(self, body: Record) -> None:
        begun = await self._make(
            "subscriptions", "subscription", {name: value for name, value in body.items() if name != "starts_at"}
        )
        if begun is None:
            return
        if begun.get("child_invoice_id"):
            # Removed before the subscription that raised it.
            self._to_remove("invoices", {"invoice_id": begun["child_invoice_id"]})
        path = f"/subscriptions/{path_segment(str(begun['subscription_id']))}/cancel"
        answer = await self._post(path, body={"cancel_at_end": True})
        if not isinstance(answer, ApiReply):
            await self._permitted(Question.CANCEL_AT_END_IN_BODY, answer, "cancel_at_end in the body")
            return
        record = answer.body.get("subscription")
        status = str(record.get("status", "")) if isinstance(record, Mapping) else ""
        word = {"non_renewing": HONOURED, "cancelled": IGNORED}.get(status, UNKNOWN)
        await self._answer(
            Question.CANCEL_AT_END_IN_BODY, word, f"cancel_at_end=true in the body made the subscription {status!r}"
        )

    # How an answer is read.

    async def _filter(
        self, question: Question, module: str, asked: tuple[str, str], *, ours: str, other: str | None
    ) -> None:
        """Whether ``GET /module?name=value`` shows ``ours`` and not ``other``, which has another value."""
        name, value = asked
        answer, rows = await self.asking.rows(ApiRequest("GET", f"/{module}", {name: value}), module)
        key = f"{module.removesuffix('s')}_id"
        shown = {str(row.get(key)) for row in rows}
        address = f"GET /{module}?{name}="
        if not isinstance(answer, ApiReply):
            await self._permitted(question, answer, address)
        elif other in shown:
            await self._answer(question, IGNORED, f"{address} is ignored: it shows {len(rows)} rows, others among them")
        elif other is None:
            await self._answer(question, UNKNOWN, f"{address} shows {len(rows)} rows, and there is no other to be told")
        elif ours in shown:
            await self._answer(question, HONOURED, f"{address} is honoured: it shows {len(rows)} of those there are")
        else:
            await self._answer(question, UNKNOWN, f"{address} does not show what was just made (yet)")

    async def _permitted(self, question: Question, answer: Answer, what: str) -> None:
        """ACCEPTED or REFUSED, by what Zoho answered."""
        match answer:
            case ApiReply():
                await self._answer(question, ACCEPTED, f"{what}: accepted (HTTP {answer.http_status})")
            case Failure(failure_class=FailureClass.PERMANENT):
                await self._answer(question, REFUSED, f"{what}: refused ({answer})")
            case Failure() | Barred():
                await self._answer(question, UNKNOWN, f"{what}: could not be told ({_words(answer)})")
            case _:
                assert_never(answer)

    async def _code(self, question: Question, answer: Answer, what: str) -> None:
        match answer:
            case ApiReply():
                await self._answer(question, ACCEPTED, f"{what} is accepted (HTTP {answer.http_status})")
            case Failure(http_status=int() as status, code=int() as code):
                await self._answer(question, f"{status}/{code}", f"{what} gets {answer}")
            case Failure() | Barred():
                await self._answer(question, UNKNOWN, f"{what}: could not be told ({_words(answer)})")
            case _:
                assert_never(answer)

    async def _longest(self, question: Question, request: Callable[[str], ApiRequest]) -> None:
        """The longest of :data:`LENGTHS` that is accepted."""
        accepted = 0
        beginning = f"probe {self.tag} "
        for length in LENGTHS:
            answer = await self.asking.ask(request(beginning + "x" * (length - len(beginning))))
            if isinstance(answer, ApiReply):
                accepted = length
                continue
            if isinstance(answer, Failure) and answer.failure_class is FailureClass.PERMANENT:
                break
            await self._answer(question, UNKNOWN, f"{length} characters: could not be told ({_words(answer)})")
            return
        refused = next((f", {length} are not" for length in LENGTHS if length > accepted), "")
        await self._answer(question, str(accepted), f"{accepted} characters are accepted{refused}")

    async def _list_lag(self, customer: str, invoice_id: str) -> None:
        waited = 0.0
        for seconds in LOOKS:
            if seconds:
                await self.sleep(seconds)
            waited += seconds
            look = ApiRequest("GET", "/invoices", {"customer_id": customer, "filter_by": "Status.All"})
            answer, rows = await self.asking.rows(look, "invoices")
            if not isinstance(answer, ApiReply):
                await self._answer(Question.LIST_LAG, UNKNOWN, f"the list could not be read ({_words(answer)})")
                return
            if any(str(row.get("invoice_id")) == invoice_id for row in rows):
                await self._answer(
                    Question.LIST_LAG, f"{waited:.0f}", f"a list showed a new invoice after {waited:.0f} s at most"
                )
                return
        await self._answer(Question.LIST_LAG, f">{waited:.0f}", f"no list showed a new invoice within {waited:.0f} s")

    async def _inclusive_tax(self, invoice: Record, tax: str | None) -> None:
        if tax is None:
            await self._answer(Question.INCLUSIVE_TAX, UNKNOWN, "could not be tried: Zoho has no tax above 0 %")
            return
        total = Decimal(str(invoice.get("total", "NaN")))
        word = HONOURED if total == PRICE else IGNORED
        await self._answer(
            Question.INCLUSIVE_TAX, word, f"a price of {PRICE} with is_inclusive_tax=true made a total of {total}"
        )

    async def _tax(self) -> str | None:
        _, rows = await self.asking.rows(ApiRequest("GET", "/settings/taxes"), "taxes")
        return next((tax.tax_id for tax in taxes_of(rows) if tax.rate > 0), None)

    # Making and removing.

    def _named(self, what: str) -> str:
        return f"zoho-outbox probe {self.tag} {what}"

    def _number(self, which: str) -> str:
        return f"PROBE-{self.tag}-{which}"

    def _bill(self, customer: str, which: str, tax: str | None) -> Record:
        line: dict[str, JsonValue] = {"name": self._named("line"), "price": PRICE, "quantity": 1}
        return {
            "customer_id": customer,
            "date": self.clock.now(self.settings.zone).date().isoformat(),
            "invoice_number": self._number(which),
            "is_inclusive_tax": True,
            "invoice_items": [{**line, "tax_id": tax} if tax is not None else line],
        }

    def _pay(self, customer: str, reference: str, applied: Mapping[str, Decimal] | None = None) -> Record:
        rows: Sequence[Record] = [
            {"invoice_id": invoice, "amount_applied": amount} for invoice, amount in (applied or {}).items()
        ]
        return {
            "customer_id": customer,
            "payment_mode": "others",
            "amount": max((Decimal(1), *(applied or {}).values())),
            "date": self.clock.now(self.settings.zone).date().isoformat(),
            "reference_number": reference,
            "invoices": list(rows),
        }

    async def _post(self, path: str, *, query: Mapping[str, str] | None = None, body: Record | None = None) -> Answer:
        return await self.asking.ask(ApiRequest("POST", path, query or {}, body, idempotent=True))

    async def _try(
        self, module: str, key: str, body: Record, query: Mapping[str, str] | None = None
    ) -> tuple[Record | None, Answer]:
        """Makes a record, to be removed at the end."""
        answer = await self.asking.ask(ApiRequest("POST", f"/{module}", query or {}, body))
        if isinstance(answer, Failure) and answer.failure_class is FailureClass.AMBIGUOUS:
            self.left.append(f"perhaps one of {module} that carries {self.tag}: {answer}")
        record = answer.body.get(key) if isinstance(answer, ApiReply) else None
        if not isinstance(record, Mapping):
            return None, answer
        self._to_remove(module, record)
        return record, answer

    async def _make(self, module: str, key: str, body: Record, query: Mapping[str, str] | None = None) -> Record | None:
        record, _ = await self._try(module, key, body, query)
        return record

    def _to_remove(self, module: str, record: JsonValue) -> None:
        if not isinstance(record, Mapping):
            return
        zoho_id = str(record.get(f"{module.removesuffix('s')}_id"))
        path = f"/{module}/{path_segment(zoho_id)}"

        def request(method: Method, action: str = "", query: Mapping[str, str] | None = None) -> ApiRequest:
            return ApiRequest(method, f"{path}{action}", query or {}, idempotent=True)

        first = {"subscriptions": (request("POST", "/cancel", {"cancel_at_end": "false"}),)}.get(module, ())
        self._undo.append(Undo(f"{module} {zoho_id}", (*first, request("DELETE"))))

    async def _clean_up(self) -> None:
        for undo in reversed(self._undo):
            answer: Answer | None = None
            try:
                for request in undo.requests:
                    answer = await self.asking.ask(request)
            except DatabaseUnavailable as absent:
                self.left.append(f"{undo.named}: the database went away ({absent}), and with it the budget")
                continue
            gone = isinstance(answer, Failure) and answer.kind is FailureKind.NOT_FOUND
            if not (isinstance(answer, ApiReply) or gone):
                self.left.append(f"{undo.named}: {_words(answer)}")
        self._undo.clear()

    async def _answer(self, question: Question, answer: str, said: str) -> None:
        if question not in self._told:
            self._told.add(question)
            await self.tell(ProbeAnswer(question, answer, " ".join(said.split())))


def _words(answer: Answer | None) -> str:
    match answer:
        case Barred(why=why):
            return why
        case Failure():
            return str(answer)
        case ApiReply() | None:
            return "it was accepted"
        case _:
            assert_never(answer)
