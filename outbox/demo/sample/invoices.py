"""Invoices of every type and state, with line items of every age: as production holds them, and what must come of it.

Prices include VAT unless a note says otherwise; 3450.00 is 3000.00 and 15 % of it.
"""

from dataclasses import dataclass
from decimal import Decimal

from outbox.demo.sample.customers import (
    AYESHA,
    BAKERY,
    DENTIST,
    FREIGHT,
    GOGO,
    GUEST_HOUSE,
    JOHAN,
    LERATO,
    SIPHO,
    TESTER,
    THANDEKA,
    ZANELE,
    ZOE,
)
from outbox.demo.sample.days import Days
from outbox.demo.sample.ends import Dead, InvoiceInZoho, Skipped
from outbox.demo.sample.rows import Invoice
from outbox.demo.sample.services import Services


@dataclass(frozen=True)
class Invoices:
    """By what is special about them."""

    installation: Invoice
    pro_rata: Invoice
    equipment: Invoice
    exclusive: Invoice
    zero_rated: Invoice
    no_lines: Invoice
    fraction: Invoice
    text_lines: Invoice
    corrected: Invoice
    issued: Invoice
    voided: Invoice
    recurring: Invoice
    recurring_older: Invoice
    no_type: Invoice
    draft: Invoice
    cancelled: Invoice
    not_adding_up: Invoice
    credit: Invoice
    tester: Invoice

    @property
    def for_zoho(self) -> tuple[Invoice, ...]:
        """Sent, now or after what happens to them later. Without the one whose payment is first."""
        return (
            self.installation,
            self.pro_rata,
            self.equipment,
            self.exclusive,
            self.zero_rated,
            self.no_lines,
            self.fraction,
            self.corrected,
            self.issued,
            self.voided,
        )

    @property
    def kept_out(self) -> tuple[Invoice, ...]:
        """By design."""
        return (self.recurring, self.recurring_older, self.no_type, self.draft, self.cancelled)

    @property
    def wrong(self) -> tuple[Invoice, ...]:
        """Nobody can send these."""
        return (self.not_adding_up, self.credit)


def invoices(days: Days, services: Services) -> Invoices:
    """As they are entered; what happens to them later is in the acts."""
    recently, due = days.ago(9), days.ahead(21)
    return Invoices(
        installation=Invoice(
            "INV-2025-00031",
            BAKERY.account_number,
            "installation",
            "partial",
            recently,
            due,
            Decimal("3000.00"),
            Decimal("450.00"),
            """[
                {"description": "Fibre installation", "quantity": 1, "unit_price": 1725.00, "amount": 1725.00},
                {"description": "Trenching, per 10 m", "quantity": 2, "unit_price": 862.50, "amount": 1725.00}
            ]""",
            InvoiceInZoho("partially_paid"),
            amount_paid=Decimal("1000.00"),
            notes="Technician: second visit included",
        ),
        # The oldest kind of line: no quantity, no unit_price. And nobody has paid it.
        pro_rata=Invoice(
            "INV-2025-00032",
            SIPHO.account_number,
            "pro_rata",
            "overdue",
            days.ago(40),
            days.ago(33),
            Decimal("366.90"),
            Decimal("55.04"),
            '[{"description": "HomeFibre 50/50 up to the end of the month", "amount": 421.94}]',
            InvoiceInZoho("overdue"),
        ),
        # Two payments, and amounts that people wrote.
        equipment=Invoice(
            "INV-2025-00033",
            AYESHA.account_number,
            "equipment",
            "paid",
            recently,
            due,
            Decimal("1910.43"),
            Decimal("286.57"),
            """[
                {"description": "Mesh node", "quantity": 2, "unit_price": "R 449,00"},
                {"description": "Router", "quantity": 1, "unit_price": "1 299.00"}
            ]""",
            InvoiceInZoho("paid"),
            amount_paid=Decimal("2197.00"),
        ),
        # Prices without VAT; a cent is lost where VAT is rounded on each line: both sides must show 3066.59.
        exclusive=Invoice(
            "INV-2025-00034",
            DENTIST.account_number,
            "adjustment",
            "paid",
            recently,
            due,
            Decimal("2666.60"),
            Decimal("399.99"),
            """[
                {"description": "Fibre splicing, cabinet A", "quantity": 1, "unit_price": 1333.30},
                {"description": "Fibre splicing, cabinet B", "quantity": 1, "unit_price": 1333.30}
            ]""",
            InvoiceInZoho("paid"),
            amount_paid=Decimal("3066.59"),
        ),
        zero_rated=Invoice(
            "INV-2025-00035",
            DENTIST.account_number,
            "equipment",
            "paid",
            recently,
            due,
            Decimal("500.00"),
            Decimal("0.00"),
            '[{"description": "Backup link abroad, zero-rated", "quantity": 1, "unit_price": 500.00}]',
            InvoiceInZoho("paid"),
            amount_paid=Decimal("500.00"),
            vat_rate=Decimal("0.00"),
        ),
        no_lines=Invoice(
            "INV-2025-00036",
            GOGO.account_number,
            "installation",
            "paid",
            recently,
            due,
            Decimal("739.13"),
            Decimal("110.87"),
            None,
            InvoiceInZoho("paid"),
            amount_paid=Decimal("850.00"),
        ),
        # Zoho's quantities are whole numbers.
        fraction=Invoice(
            "INV-2025-00037",
            ZANELE.account_number,
            "pro_rata",
            "paid",
            recently,
            due,
            Decimal("416.87"),
            Decimal("62.53"),
            '[{"description": "HomeFibre 50/50, 18 of 30 days", "quantity": 0.6, "unit_price": 799, "amount": 479.4}]',
            InvoiceInZoho("paid"),
            amount_paid=Decimal("479.40"),
        ),
        # JSON inside a text; and its payment comes before it does.
        text_lines=Invoice(
            "INV-2025-00038",
            SIPHO.account_number,
            "adjustment",
            "paid",
            recently,
            due,
            Decimal("217.39"),
            Decimal("32.61"),
            r'"[{\"description\": \"Call-out\", \"quantity\": 1, \"unit_price\": 250.00, \"amount\": 250.00}]"',
            InvoiceInZoho("paid"),
            amount_paid=Decimal("250.00"),
        ),
        # Edited later: one antenna less.
        corrected=Invoice(
            "INV-2025-00039",
            LERATO.account_number,
            "equipment",
            "sent",
            days.today,
            due,
            Decimal("1200.00"),
            Decimal("180.00"),
            '[{"description": "Antenna", "quantity": 3, "unit_price": 460.00, "amount": 1380.00}]',
            InvoiceInZoho("sent"),
        ),
        # A draft that is issued later, and locked by then.
        issued=Invoice(
            "INV-2025-00040",
            FREIGHT.account_number,
            "adjustment",
            "draft",
            days.today,
            due,
            Decimal("800.00"),
            Decimal("120.00"),
            '{"items": [{"description": "Move of the rack", "unit_price": 920.00}]}',
            InvoiceInZoho("sent"),
            is_locked=True,
        ),
        voided=Invoice(
            "INV-2025-00041",
            JOHAN.account_number,
            "equipment",
            "sent",
            recently,
            due,
            Decimal("433.91"),
            Decimal("65.09"),
            "[]",
            InvoiceInZoho("void"),
        ),
        # Zoho raised its own for this term.
        recurring=Invoice(
            "INV-2025-00042",
            THANDEKA.account_number,
            "recurring",
            "paid",
            days.last(1),
            days.last(1),
            Decimal("694.78"),
            Decimal("104.22"),
            '[{"description": "HomeFibre 50/50", "quantity": 1, "unit_price": 799.00, "amount": 799.00}]',
            Skipped("Zoho raises recurring invoices itself"),
            amount_paid=Decimal("799.00"),
            service=services.thandeka,
        ),
        # From before Zoho billed.
        recurring_older=Invoice(
            "INV-2025-00021",
            LERATO.account_number,
            "recurring",
            "paid",
            days.ago(95),
            days.ago(88),
            Decimal("564.35"),
            Decimal("84.65"),
            '[{"description": "SkyLink 20/5", "quantity": 1, "unit_price": 649.00, "amount": 649.00}]',
            Skipped("Zoho raises recurring invoices itself"),
            amount_paid=Decimal("649.00"),
            service=services.lerato,
        ),
        no_type=Invoice(
            "INV-2025-00022",
            FREIGHT.account_number,
            None,
            "sent",
            days.ago(95),
            days.ago(88),
            Decimal("2173.04"),
            Decimal("325.96"),
            '[{"amount": 2499.00}]',
            Skipped("it has no invoice_type"),
        ),
        draft=Invoice(
            "INV-2025-00043",
            FREIGHT.account_number,
            "installation",
            "draft",
            days.today,
            due,
            Decimal("1000.00"),
            Decimal("150.00"),
            '[{"description": "Second line", "quantity": 1, "unit_price": 1150.00, "amount": 1150.00}]',
            Skipped("draft: sent when it is issued"),
        ),
        cancelled=Invoice(
            "INV-2025-00044",
            ZOE.account_number,
            "installation",
            "cancelled",
            recently,
            due,
            Decimal("739.13"),
            Decimal("110.87"),
            '[{"description": "Installation", "quantity": 1, "unit_price": 850.00, "amount": 850.00}]',
            Skipped("cancelled before it was ever in Zoho"),
        ),
        not_adding_up=Invoice(
            "INV-2025-00045",
            GUEST_HOUSE.account_number,
            "installation",
            "sent",
            recently,
            due,
            Decimal("2130.43"),
            Decimal("319.57"),
            """[
                {"description": "Mast", "quantity": 1, "unit_price": 1500.00, "amount": 1500.00},
                {"description": "Cable", "quantity": 1, "unit_price": 750.00, "amount": 750.00}
            ]""",
            Dead("the lines add up to 2250.00"),
        ),
        credit=Invoice(
            "INV-2025-00046",
            GUEST_HOUSE.account_number,
            "adjustment",
            "sent",
            recently,
            due,
            Decimal("-130.43"),
            Decimal("-19.57"),
            '[{"description": "Two days without service", "quantity": 1, "unit_price": -150.00, "amount": -150.00}]',
            Dead("raise a credit note in Zoho"),
        ),
        tester=Invoice(
            "INV-TEST-00001",
            TESTER.account_number,
            "installation",
            "sent",
            recently,
            due,
            Decimal("1.00"),
            Decimal("0.15"),
            '[{"description": "Test", "quantity": 1, "unit_price": 1.15, "amount": 1.15}]',
            Skipped("internal_test"),
        ),
    )
