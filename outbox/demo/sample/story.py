"""The acts: in which order the applications write it all."""

from decimal import Decimal

from outbox.demo.sample.acts import Act, Edit, Enter, Publish, SendAgain
from outbox.demo.sample.customers import (
    AYESHA,
    BAKERY,
    DENTIST,
    FREIGHT,
    GOGO,
    GUEST_HOUSE,
    JOHAN,
    LERATO,
    PIETER,
    SIPHO,
    TEST_ACCOUNTS,
    THANDEKA,
    ZANELE,
    ZOE,
)
from outbox.demo.sample.days import Days
from outbox.demo.sample.invoices import Invoices
from outbox.demo.sample.packages import PACKAGES, WIRELESS_20
from outbox.demo.sample.payments import Payments
from outbox.demo.sample.rows import Customer, Package, SentRow, Service
from outbox.demo.sample.services import Services


def acts(days: Days, services: Services, invoices: Invoices, payments: Payments) -> tuple[Act, ...]:
    """From the first sign-up to the last cancellation."""
    return (
        _signing_up(
            "The web shop signs up customers; the first two were in Zoho before, from an earlier integration",
            Enter(PACKAGES),
            _sign_up(THANDEKA, services.thandeka),
            _sign_up(PIETER, services.pieter),
            _sign_up(BAKERY, services.bakery),
            _sign_up(SIPHO, services.sipho),
        ),
        _signing_up(
            "More sign-ups; one service is over already",
            _sign_up(AYESHA, services.ayesha),
            _sign_up(DENTIST, services.dentist),
            _sign_up(JOHAN, services.johan_old, services.johan),
            _sign_up(LERATO, services.lerato),
        ),
        _signing_up(
            "The sales desk: a customer without e-mail, a service without package, packages that Zoho does not know",
            _sign_up(FREIGHT, services.freight),
            _sign_up(GOGO, services.gogo),
            _sign_up(ZANELE, services.zanele),
            _sign_up(ZOE, services.zoe),
            _sign_up(GUEST_HOUSE, services.guest_house),
        ),
        Act(
            "The technicians make test accounts, which must never reach Zoho, nor anything of theirs",
            (Enter(TEST_ACCOUNTS), _entered(services.tester, invoices.tester, payments.tester)),
        ),
        Act("A payment comes before its invoice does", (_entered(payments.early),)),
        Act(
            "Finance raises invoices: installation, pro rata, equipment, adjustment; line items of every age",
            (*(_entered(invoice) for invoice in invoices.for_zoho), _entered(invoices.text_lines)),
        ),
        Act(
            "Invoices that are not for Zoho: recurring ones (Zoho bills), drafts, cancelled ones",
            (_entered(*invoices.kept_out),),
        ),
        Act(
            "Two invoices that nobody could send: a person must look",
            (_entered(*invoices.wrong),),
        ),
        Act(
            "Payments come in: cards, transfers, debit orders, cash; in part, in full, and more than that",
            tuple(_entered(payment) for payment in (*payments.received, payments.refunded)),
        ),
        Act(
            "Payments on recurring invoices go to the invoice that Zoho raised, or are the customer's credit",
            (_entered(*payments.on_recurring),),
        ),
        Act(
            "Payments on a draft, on an invoice that failed, and in dollars",
            (_entered(*payments.stuck),),
        ),
        Act(
            "And what is no payment: Zoho's own, a card validation, what never came to its end",
            (_entered(*payments.none),),
        ),
        Act(
            "A package is published, a technician has been there, a draft is issued",
            (
                Publish(WIRELESS_20),
                Edit(services.zanele, {"status": "active", "activation_date": days.today}),
                Edit(invoices.issued, {"status": "sent"}),
            ),
            later=True,
        ),
        Act(
            "Corrections: a phone number, an invoice, a price (Zoho changes it with the next term)",
            (
                Edit(PIETER, {"phone": "+27 83 555 0199"}),
                Edit(
                    invoices.corrected,
                    {
                        "line_items": '[{"description": "Antenna", "quantity": 2, "unit_price": 460.00}]',
                        "subtotal": Decimal("800.00"),
                        "tax_amount": Decimal("120.00"),
                    },
                ),
                Edit(services.thandeka, {"monthly_price": Decimal("829.00")}),
            ),
            later=True,
        ),
        Act(
            "Endings: an invoice is voided, a payment refunded, two services are cancelled, one account is suspended",
            (
                Edit(invoices.voided, {"status": "voided"}),
                Edit(payments.refunded, {"status": "refunded"}),
                Edit(services.johan, {"status": "cancelled"}),
                Edit(services.pieter, {"status": "cancelled"}),
                Edit(services.sipho, {"status": "suspended"}),
                Edit(SIPHO, {"account_status": "suspended"}),
            ),
            later=True,
        ),
        Act(
            "An account is cancelled: inactive in Zoho, where nothing is owed or runs any more",
            (Edit(JOHAN, {"account_status": "cancelled"}),),
            later=True,
        ),
        Act(
            "An operator asks for one to be sent again: UPDATE customers SET zoho_sync_status = 'pending' ...",
            (SendAgain(FREIGHT),),
        ),
    )


def _entered(*rows: Package | SentRow) -> Enter:
    return Enter(rows)


def _sign_up(customer: Customer, *services: Service) -> Enter:
    return Enter((customer, *services))


def _signing_up(told: str, *steps: Enter) -> Act:
    return Act(told, steps)
