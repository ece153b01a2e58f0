"""Five weeks of a small company, day by day: what happens, who does it, and when.

A script: each ``yield`` names a moment in Johannesburg; what stands below it happens then, and the daemon carries it at
once, unless the moment says that it is ``away``. At five every morning the host's own billing job runs, and the daemon
after it (:mod:`tests.month.play`). 2028 has a 29 February.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from outbox.simulator import FaultKind, RunningSimulator
from tests.month.calendar_days import moment
from tests.month.people import People, line

FEBRUARY, MARCH = date(2028, 2, 1), date(2028, 3, 1)

INSTALLATION = "Installation, router and first visit"


@dataclass(frozen=True)
class Moment:
    """When the lines below it happen."""

    at: datetime
    away: bool = False
    """The daemon is not running just then."""
    seen: bool = False
    """It is, even where dice keep it away: of two payments for one invoice, the first that comes is applied."""


def at(text: str, *, away: bool = False, seen: bool = False) -> Moment:
    """A moment in Johannesburg."""
    return Moment(moment(text), away, seen)


def before(people: People) -> None:
    """The company on Sunday 13 February, when nobody there has heard of zoho-outbox: everybody's state is another."""
    products, naledi, rina, netcash = people.products, people.naledi, people.rina, people.netcash
    products.package("Fibre 25", "FIBRE-25", "599.00")
    products.package("Fibre 50", "FIBRE-50", "799.00")
    products.package("Fibre 100", "FIBRE-100", "999.00")
    products.package("LTE", "LTE-20", "449.50")
    products.package("Business 200", "BIZ-200", "1899.95")
    products.package("Sky", "SKY-1", "1099.00", published=False)

    def served(service: str, customer: str, package: str | None, billing_day: int, **columns: Any) -> None:
        # The last one that the job billed; it bills what has come since when it runs on the thirteenth.
        billed = date(2028, 1, 1) if billing_day < 13 else date(2027, 12, billing_day)
        values: dict[str, Any] = {
            "status": "active",
            "activation_date": date(2027, 3, billing_day),
            "billing_day": billing_day,
            "last_invoice_date": billed,
        }
        naledi.sells(service, customer, package, f"{billing_day} Long Street, Cape Town", **values | columns)

    naledi.signs_up("anna", "Anna", "Meadow")
    served("anna-50", "anna", "Fibre 50", 1)
    naledi.signs_up("bakery", "Bert", "Crumb", business_name="Crumb & Daughters", account_type="business")
    served("bakery-100", "bakery", "Fibre 100", 15, price="1349.50")
    naledi.signs_up("carel", "Carel", "Vlei")
    served("carel-25", "carel", "Fibre 25", 14)
    naledi.signs_up("dineo", "Dineo", "Sand")
    served("dineo-lte", "dineo", "LTE", 28)
    naledi.signs_up("ebrahim", "Ebrahim", "Stone")
    served("ebrahim-50", "ebrahim", "Fibre 50", 25, status="suspended")
    naledi.signs_up("farm", "Frik", "Field", business_name="Karoo Farm", account_type="business")
    served("farm-100", "farm", "Fibre 100", 20)
    naledi.signs_up("gogo", "Grace", "Hill", email="")
    served("gogo-25", "gogo", "Fibre 25", 1)
    # Left long ago, and owes nothing.
    naledi.signs_up("hennie", "Hennie", "Ridge", account_status="cancelled")
    served("hennie-25", "hennie", "Fibre 25", 1, status="cancelled")
    # Two lines in one house.
    naledi.signs_up("imani", "Imani", "Lake")
    served("imani-50", "imani", "Fibre 50", 1)
    served("imani-lte", "imani", "LTE", 15)
    naledi.signs_up("jaco", "Jaco", "Dam", business_name="Dam Logistics", account_type="business")
    served("jaco-200", "jaco", "Business 200", 1)
    # Waits for its installation.
    naledi.signs_up("kea", "Kea", "Tree", account_status="pending")
    naledi.sells("kea-25", "kea", "Fibre 25", "3 Kloof Street, Cape Town")
    # On a package that is not in Zoho yet.
    naledi.signs_up("lodge", "Liezl", "Lodge", business_name="Fynbos Lodge", account_type="business")
    served("lodge-sky", "lodge", "Sky", 1)
    # The company's own.
    naledi.signs_up("mandla", "Mandla", "Test", account_type="internal_test")
    served("mandla-50", "mandla", "Fibre 50", 1)
    naledi.signs_up("nandi", "Nandi", "River")
    served("nandi-50", "nandi", "Fibre 50", 1)
    # Came by an order form, which names no package.
    naledi.signs_up("olga", "Olga", "Marsh")
    served("olga-form", "olga", None, 1, price="650.00")
    naledi.signs_up("wilma", "Wilma", "Wold")
    served("wilma-25", "wilma", "Fibre 25", 20)
    naledi.signs_up("yusuf", "Yusuf", "Yard")
    served("yusuf-50", "yusuf", "Fibre 50", 15)

    january: dict[str, Any] = {"invoice_date": date(2028, 1, 10)}
    paid_in_january: dict[str, Any] = {
        "initiated_at": moment("2028-01-12 10:00"),
        "completed_at": moment("2028-01-12 10:01"),
    }
    rina.issues("CT-0901", "nandi", [line(INSTALLATION, "1150.00")], **january)
    netcash.reports("NC-0901", "nandi", "400.00", "CT-0901", older=True, **paid_in_january)
    rina.issues("CT-0902", "nandi", [line("Router", "899.00")], kind="equipment", status="voided", **january)
    rina.issues("CT-0903", "nandi", [line("Cable", "120.00")], kind="equipment", status="draft", **january)
    # As invoices were written in 2025: a line with its amount alone, the number with a blank at its end.
    rina.issues("CT-0904 ", "gogo", [line("Installation", "750.00", old=True)], **january)
    netcash.reports("NC-0904", None, "750.00", "CT-0904", by="cash", **paid_in_january)
    rina.issues("CT-0905", "mandla", [line(INSTALLATION, "1150.00")], **january)
    netcash.reports("NC-0905", "mandla", "1150.00", "CT-0905", **paid_in_january)
    # An earlier integration brought this one and its customer to Zoho already: see `in_zoho_before`.
    rina.issues("CT-0906", "farm", [line(INSTALLATION, "2300.00")], **january)
    netcash.reports("PM-VAL-0001", "anna", "1.00", by="card", metadata='{"type": "payment_method_validation"}')
    netcash.reports("ZB-0001", "anna", "50.00", provider="zoho_billing")


def in_zoho_before(people: People, zoho: RunningSimulator) -> None:
    """What an earlier integration left behind, and the plans that were published."""
    for sku, name, price in (
        ("FIBRE-25", "Fibre 25", "599.00"),
        ("FIBRE-50", "Fibre 50", "799.00"),
        ("FIBRE-100", "Fibre 100", "999.00"),
        ("LTE-20", "LTE", "449.50"),
        ("BIZ-200", "Business 200", "1899.95"),
    ):
        zoho.simulator.plant_plan(plan_code=sku, name=name, recurring_price=Decimal(price))
    farm = people.office.row("farm")
    customer = zoho.simulator.plant_customer(
        display_name=f"Karoo Farm [{farm['account_number']}]", email=farm["email"], currency_code="ZAR"
    )
    zoho.simulator.plant_invoice(
        customer_id=customer,
        invoice_number="ct-0906",
        date="2028-01-10",
        due_date="2028-01-17",
        total=Decimal("2300.00"),
    )


def after_the_takeover(people: People, zoho: RunningSimulator) -> Iterator[Moment]:
    """From Monday 14 February, when the installation and its backfill are done, to Tuesday 21 March."""
    products, naledi, petrus, rina = people.products, people.naledi, people.petrus, people.rina
    sibusiso, netcash = people.sibusiso, people.netcash

    yield at("2028-02-14 11:00")  # Monday. The first edits after the takeover.
    sibusiso.corrects_customer("anna", phone="+27 82 555 7777")
    netcash.reports("NC-1001", "anna", "799.00", "R-ANNA-50-0201", by="instant_eft")
    netcash.reports("NC-1002", "nandi", "750.00", "CT-0901")

    yield at("2028-02-15 09:00")  # The fifteenth: the first subscriptions bill.
    netcash.collects(["bakery-100", "imani-lte"], date(2028, 2, 15))
    netcash.reports_again("DO-R-BAKERY-100-0215")

    yield at("2028-02-16 10:00")
    # Yusuf gives notice: his month runs to 14 March.
    sibusiso.cancels("yusuf-50")
    naledi.signs_up("pieter", "Pieter", "Plain")
    naledi.sells("pieter-50", "pieter", "Fibre 50", "9 Acacia Close, Paarl")
    rina.issues("CT-1001", "pieter", [line(INSTALLATION, "1150.00")], service_id=people.office.rows["pieter-50"])
    netcash.reports("CARD-1001", "pieter", "1150.00", "CT-1001", by="card")

    yield at("2028-02-17 14:00")
    petrus.activates("pieter-50", billing_day=1)
    rina.bills_first_days("CT-1002", "pieter-50")
    # A price typed wrong, and seen at once.
    rina.issues("CT-1003", "ebrahim", [line("Second router", "8990.00")], kind="equipment")
    # Seen: a payment may overtake it (tests/sending/test_corrected_then_paid.py).
    yield at("2028-02-17 14:20", seen=True)
    rina.corrects("CT-1003", [line("Second router", "899.00")])

    yield at("2028-02-18 10:00")  # A business that works from the day it signs, which is its billing day.
    naledi.signs_up("salon", "Queenie", "Comb", business_name="Queen's Salon", account_type="business")
    naledi.sells(
        "salon-100",
        "salon",
        "Fibre 100",
        "1 Market Square, Stellenbosch",
        status="active",
        activation_date=people.office.today,
        billing_day=18,
    )
    # The reply to this payment is lost on the way; it was done.
    zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "/payments")
    netcash.reports("NC-1003", "ebrahim", "899.00", "CT-1003")

    yield at("2028-02-19 12:00")  # Saturday. Signed up as a test by mistake, and everything hangs on it.
    naledi.signs_up("thabo", "Thabo", "Gate", account_type="internal_test")
    naledi.sells(
        "thabo-25",
        "thabo",
        "Fibre 25",
        "12 Gate Road, Worcester",
        status="active",
        activation_date=people.office.today,
        billing_day=25,
    )
    rina.bills_first_days("CT-1004", "thabo-25")
    netcash.reports("NC-1004", "thabo", "50.00", "CT-1004")

    yield at("2028-02-20 09:00")
    sibusiso.corrects_customer("thabo", account_type="personal")

    yield at("2028-02-21 09:00")  # Xolani signs, and Zoho loses half of it: the customer is there, the invoice is not.
    zoho.faults.plant(FaultKind.DONE_THEN_CUT, "POST", "/customers")
    zoho.faults.plant(FaultKind.LOST_THEN_NOT_DONE, "POST", "/invoices")
    naledi.signs_up("xolani", "Xolani", "Quay")
    naledi.sells("xolani-50", "xolani", "Fibre 50", "2 Quay Street, Hermanus")
    rina.issues("CT-1005", "xolani", [line(INSTALLATION, "1150.00")], service_id=people.office.rows["xolani-50"])

    yield at("2028-02-22 08:30")
    zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "/subscriptions")
    petrus.activates("xolani-50", billing_day=5)
    rina.bills_first_days("CT-1006", "xolani-50")
    # Wilma cannot make up her mind: a month has one price.
    naledi.moves("wilma-25", "Fibre 50")
    # Olga's order form is read at last.
    naledi.moves("olga-form", "Fibre 25", price="650.00")
    yield at("2028-02-22 16:00")
    naledi.moves("wilma-25", "Fibre 100")

    yield at("2028-02-23 10:00")
    naledi.moves("wilma-25", "Fibre 50")
    # Excluding VAT; three that do not divide; a length of cable.
    naledi.signs_up("vuyo", "Vuyo", "Crane", business_name="Crane Works", account_type="business")
    rina.issues(
        "CT-1007",
        "vuyo",
        [line("Access point", "333.33", 3), line("Cable, metres", "12.35", "40.5"), line("Labour", "1499.99")],
        kind="equipment",
        exclusive=True,
    )
    rina.issues("CT-1008", "vuyo", [line("Second-hand mast", "2000.00")], kind="equipment", rate=Decimal("0.00"))

    yield at("2028-02-24 11:00", seen=True)  # Xolani changes his mind before his first month begins.
    sibusiso.cancels("xolani-50")
    # Two payments for one invoice on one morning: by card, and the EFT of the day before.
    netcash.reports("CARD-1002", "pieter", people.office.row("CT-1002")["total_amount"], "CT-1002", by="card")
    yield at("2028-02-24 11:05")
    netcash.reports("NC-1005", "pieter", people.office.row("CT-1002")["total_amount"], "CT-1002")

    yield at("2028-02-25 09:00")
    netcash.collects(["thabo-25", "ebrahim-50"], date(2028, 2, 25))
    # Half of February, which the host billed before Zoho did.
    netcash.reports("NC-1016", "imani", "400.00", "R-IMANI-50-0201", by="eft")
    # A better price from the twentieth of March on.
    naledi.agrees_on_price("farm-100", "949.00")
    # The one that was paid twice gets it back.
    netcash.refunds("NC-1005")
    sibusiso.resumes("ebrahim-50")

    yield at("2028-02-26 10:00")  # Saturday. Kea is connected, and moves in next door on Monday.
    petrus.activates("kea-25", billing_day=10)
    sibusiso.corrects_customer("kea", account_status="active")
    rina.bills_first_days("CT-1009", "kea-25")
    rina.issues("CT-1010", "kea", None, total_amount=Decimal("1150.00"), service_id=people.office.rows["kea-25"])

    yield at("2028-02-27 20:00")  # Sunday. She paid the wrong invoice, a little too much, from abroad and at home.
    netcash.reports("NC-1006", "kea", "1200.00", "CT-1009")
    netcash.reports("NC-1007", "kea", "60.00", currency="USD")
    netcash.reports("NC-1008", None, "300.00")

    yield at("2028-02-28 10:00")
    sibusiso.moves_house("kea-25", "5 Kloof Street, Cape Town")
    netcash.corrects("NC-1006", customer_invoice_id=people.office.rows["CT-1010"])
    netcash.collects(["dineo-lte"], date(2028, 2, 28))

    yield at("2028-02-28 23:40")  # The line at Sannie's comes up at night, on her billing day; the daemon restarts.
    naledi.signs_up("sannie", "Sannie", "Dune")
    naledi.sells("sannie-25", "sannie", "Fibre 25", "8 Dune Road, Langebaan")
    yield at("2028-02-28 23:58", away=True)
    petrus.activates("sannie-25", billing_day=28)
    netcash.reports("NC-1009", "sannie", "599.00")
    yield at("2028-02-29 00:03")  # In Johannesburg it is the twenty-ninth; in Greenwich the evening before.
    netcash.reports("NC-1010", "anna", "100.00")

    yield at("2028-02-29 11:00")  # The day that most years lack.
    naledi.signs_up("rashid", "Rashid", "Reef")
    naledi.sells("rashid-25", "rashid", "Fibre 25", "4 Reef Avenue, Gansbaai")
    petrus.activates("rashid-25", billing_day=1)
    rina.bills_first_days("CT-1011", "rashid-25")
    rina.issues("CT-1012", "rashid", [line(INSTALLATION, "1150.00")], due_in=0)
    netcash.reports("NC-1011", "rashid", "1150.00", "CT-1012", by="cash")
    # Signed up twice, by two colleagues.
    naledi.signs_up("uwe", "Uwe", "Fen")
    naledi.signs_up("uwe-again", "Uwe", "Fen", email="uwe.fen@example.com")
    yield at("2028-02-29 11:30")
    sibusiso.closes_account("uwe-again")
    yield at("2028-02-29 23:50")  # Ten minutes before March: a new price for the bakery counts from the fifteenth.
    naledi.agrees_on_price("bakery-100", "1299.50")
    # Jaco's counts from tomorrow.
    naledi.agrees_on_price("jaco-200", "1799.95")

    yield at("2028-03-01 09:00")  # Everybody's first of the month.
    netcash.collects(["anna-50", "gogo-25", "imani-50", "jaco-200", "nandi-50", "pieter-50", "rashid-25"], MARCH)
    # An invoice to the wrong business, and one that never should have been.
    rina.issues("CT-1013", "bakery", [line("Site survey", "575.00")], kind="adjustment")
    rina.issues("CT-1014", "salon", [line("Site survey", "575.00")], kind=None)
    rina.issues("CT-1015", "salon", [line("Refund of February", "-200.00")], kind="adjustment")
    # The farm gives notice.
    sibusiso.cancels("farm-100")
    # A transfer is announced; it is through in two days.
    netcash.reports("NC-1017", "vuyo", "3448.58", "CT-1007", status="pending", completed_at=None)

    yield at("2028-03-02 09:00")
    products.publishes("Sky")
    zoho.simulator.plant_plan(plan_code="SKY-1", name="Sky", recurring_price=Decimal("1099.00"))
    rina.changes("CT-1013", customer_id=people.office.rows["jaco"])
    # Paid, then found to be wrong: what was paid goes back to the customer's credit.
    rina.issues("CT-1016", "salon", [line("Wall box", "345.00", 2)], kind="equipment")
    yield at("2028-03-02 15:00")
    netcash.reports("NC-1012", "salon", "500.00", "CT-1016")
    yield at("2028-03-02 15:30")
    rina.voids("CT-1016", "Wall boxes were included")
    rina.issues("CT-1017", "salon", [line("Wall box", "250.00", 2)], kind="equipment")
    yield at("2028-03-02 16:00")
    netcash.corrects("NC-1012", customer_invoice_id=people.office.rows["CT-1017"])
    netcash.completes("NC-1017")
    # Two cents that the till rounded away; and a rate that nobody wrote down.
    rina.issues(
        "CT-1022",
        "kea",
        [line("Splitter", "33.33", 3)],
        kind="equipment",
        total_amount=Decimal("100.01"),
        vat_rate=None,
    )

    yield at("2028-03-03 10:00")  # An edit of what is paid: refused, until it is taken back.
    rina.corrects("CT-1012", [line(INSTALLATION, "1250.00")])
    yield at("2028-03-03 17:00", seen=True)
    rina.corrects("CT-1012", [line(INSTALLATION, "1150.00")])
    # Part of March: the rest comes with a little more than the rest.
    netcash.reports("NC-1018", "olga", "300.00", "R-OLGA-FORM-0301")

    yield at("2028-03-04 10:00")  # Lines that do not add up; mended on Monday.
    rina.issues("CT-1018", "vuyo", [line("Mast", "4000.00")], kind="equipment", total_amount=Decimal("4600.00"))
    yield at("2028-03-06 09:00")
    netcash.reports("NC-1019", "olga", "360.00", "R-OLGA-FORM-0301")
    # The farm stays, for less.
    naledi.agrees_on_price("farm-100", "929.00")
    sibusiso.takes_back("farm-100")
    rina.corrects("CT-1018", [line("Mast", "4000.00"), line("Delivery", "600.00")])
    # A draft is paid before it was sent.
    rina.issues("CT-1019", "farm", [line("Relocation", "1800.00")], kind="adjustment", status="draft")
    netcash.reports("NC-1013", "farm", "1800.00", "CT-1019")
    yield at("2028-03-07 09:00")
    rina.changes("CT-1019", status="paid")
    # Renumbered, and due later; Carel pays the month that the host billed.
    rina.changes("CT-1008", invoice_number="CT-1008-B", due_date=date(2028, 3, 31), notes="As agreed by telephone")
    netcash.reports("NC-1020", "carel", "599.00", "R-CAREL-25-0214")
    # A friend pays, and is taken for the customer.
    netcash.reports("NC-1021", "anna", "100.01", "CT-1022")
    netcash.reports("NC-1022", "lodge", "1099.00", "R-LODGE-SKY-0301")

    yield at("2028-03-08 09:00")  # Zoho is not itself today: a gateway fails after the work is done.
    zoho.faults.plant(FaultKind.BAD_GATEWAY_AFTER, "POST", "/invoices")
    zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "*/converttoopen")
    zoho.faults.plant(FaultKind.LOST_THEN_NOT_DONE, "POST", "/payments")
    rina.issues("CT-1020", "dineo", [line("Antenna", "689.99"), line("Bracket", "45.01", 2)], kind="equipment")
    netcash.reports("NC-1014", "dineo", "500.00", "CT-1020", by="card")

    yield at("2028-03-09 10:00")
    # The installation was a gift after all: what was paid is paid back.
    zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "*/refunds")
    netcash.refunds("CARD-1001")
    # An operator sends some of them again.
    for name in ("anna", "bakery-100", "CT-1020", "NC-1014"):
        sibusiso.asks_again(name)
    # Less than the terminal said.
    netcash.corrects("NC-1014", amount=Decimal("450.00"))
    # An invoice of the wrong day is taken out of the host's tables.
    rina.issues("CT-1021", "uwe", [line("Call-out", "350.00")], kind="adjustment")
    yield at("2028-03-09 18:00")
    rina.deletes("CT-1021")
    netcash.corrects("NC-1021", customer_id=people.office.rows["kea"])

    yield at("2028-03-10 09:00")
    netcash.collects(["kea-25"], date(2028, 3, 10))
    # Carel leaves: his month has begun to run on 14 February for the host, in Zoho it begins in four days.
    sibusiso.cancels("carel-25")
    sibusiso.closes_account("carel")

    yield at("2028-03-12 12:00")  # Sunday. Given up and taken back before the daemon looks.
    sibusiso.cancels("dineo-lte")
    sibusiso.takes_back("dineo-lte")
    # Three more replies are lost: of a new price, of a notice, of a payment that is moved.
    zoho.faults.plant(FaultKind.DONE_THEN_LOST, "PUT", "/subscriptions/*")
    naledi.agrees_on_price("anna-50", "749.00")
    zoho.faults.plant(FaultKind.DONE_THEN_LOST, "POST", "*/cancel")
    sibusiso.cancels("imani-50")
    zoho.faults.plant(FaultKind.DONE_THEN_LOST, "PUT", "/payments/*")
    netcash.corrects("NC-1010", customer_invoice_id=people.office.rows["R-ANNA-50-0201"])
    yield at("2028-03-13 12:00")
    sibusiso.cancels("gogo-25")
    yield at("2028-03-13 18:00")
    sibusiso.takes_back("gogo-25")

    yield at("2028-03-14 23:50")  # The eve of the fifteenth: told in time,
    naledi.agrees_on_price("bakery-100", "1249.50")
    yield at("2028-03-14 23:58", away=True)  # and told too late: Zoho bills at midnight what it was told.
    naledi.agrees_on_price("imani-lte", "399.00")
    yield at("2028-03-15 00:02")
    yield at("2028-03-15 09:00")
    netcash.collects(["bakery-100", "imani-lte"], date(2028, 3, 15))

    zoho.faults.plant(FaultKind.DONE_THEN_CUT, "POST", "*/void")
    rina.voids("CT-1014", "Surveyed for nothing")
    # A second line for the bakery, from today on; the row of its month says no period.
    naledi.sells(
        "bakery-lte",
        "bakery",
        "LTE",
        "2 Church Street, Worcester",
        status="active",
        activation_date=people.office.today,
        billing_day=15,
    )
    yield at("2028-03-16 09:00")
    rina.changes("R-BAKERY-LTE-0315", period_start=None)
    netcash.reports("NC-1023", "bakery", "449.55", "R-BAKERY-LTE-0315", older=True)
    # A part of what is owed.
    netcash.reports("NC-1024", "ebrahim", "10.00", "R-EBRAHIM-50-0225")

    yield at("2028-03-16 10:00")  # Yusuf is back, a day after his subscription ended; and pays for February at last.
    sibusiso.takes_back("yusuf-50")
    yield at("2028-03-17 10:00")
    netcash.reports("NC-1015", "yusuf", "799.00", "R-YUSUF-50-0215")
    netcash.collects(["yusuf-50"], date(2028, 3, 15))

    yield at("2028-03-20 10:00")  # Wilma's month turns, at the price that she agreed to last.
    netcash.collects(["wilma-25", "farm-100"], date(2028, 3, 20))
    sibusiso.asks_again("carel")
    yield at("2028-03-21 12:00")
