"""The sample data, as data: CircleTel's production customers by account number, with invented names.

Names, businesses, numbers and addresses are fictitious; every e-mail address is below example.com. Each customer
declares where it must stand at the end, and :data:`ACTS` is the order in which applications write it all. What
other kinds of record need, they bring as further steps and further ends.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Literal, assert_never


@dataclass(frozen=True)
class Synced:
    """Expected in Zoho, with every field as the host has it."""

    active: bool = True


@dataclass(frozen=True)
class Skipped:
    """Expected to stay out of Zoho; ``because`` stands in the reason."""

    because: str


End = Synced | Skipped


@dataclass(frozen=True)
class Service:
    """A row of ``customer_services``, active."""

    package_name: str
    service_type: str
    monthly_price: Decimal
    """ZAR a month, VAT included."""
    installation_address: str
    activation_date: date


@dataclass(frozen=True)
class Customer:
    """A row of ``customers``; fields are named as its columns, but for the last two."""

    account_number: str
    first_name: str
    last_name: str
    email: str
    phone: str
    account_type: Literal["personal", "business", "internal_test"] = "personal"
    business_name: str | None = None
    account_status: Literal["active", "suspended", "cancelled", "pending"] = "active"
    service: Service | None = None
    """Installed with the customer, in the same transaction; else by an :class:`Activation`."""
    end: End = field(default=Synced())

    @property
    def name(self) -> str:
        """As people know the customer."""
        return self.business_name or f"{self.first_name} {self.last_name}"


@dataclass(frozen=True)
class SignUp:
    """An application inserts a customer, and the service where there is one."""

    customer: Customer


@dataclass(frozen=True)
class Edit:
    """An application updates columns of a customer."""

    account_number: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Activation:
    """An application inserts a service of a customer who had none."""

    account_number: str
    service: Service


@dataclass(frozen=True)
class SendAgain:
    """An operator's ``UPDATE customers SET zoho_sync_status = 'pending'``."""

    account_number: str


Step = SignUp | Edit | Activation | SendAgain


@dataclass(frozen=True)
class Act:
    """Something that happens in the host's database; each step is a transaction of its own."""

    told: str
    """Who does what, for the screen."""
    steps: tuple[Step, ...]


def at_the_end(acts: Iterable[Act]) -> list[Customer]:
    """The customers as the host has them once all ``acts`` are played."""
    customers: dict[str, Customer] = {}
    for act in acts:
        for step in act.steps:
            match step:
                case SignUp(customer):
                    customers[customer.account_number] = customer
                case Edit(account, columns):
                    customers[account] = replace(customers[account], **columns)  # type: ignore[arg-type]
                case Activation(account, service):
                    customers[account] = replace(customers[account], service=service)
                case SendAgain():
                    pass
                case _:
                    assert_never(step)
    return list(customers.values())


def _fibre(price: str, speed: str, address: str, activated: date) -> Service:
    return Service(f"HomeFibre {speed}", "fibre", Decimal(price), address, activated)


def _business(price: str, speed: str, address: str, activated: date) -> Service:
    return Service(f"BizFibre {speed}", "fibre", Decimal(price), address, activated)


def _test_account(number: int, purpose: str) -> Customer:
    return Customer(
        f"CT-TEST-{number:05}",
        "Test",
        purpose,
        f"test.{purpose.lower()}@example.com",
        f"+27 10 555 01{number:02}",
        account_type="internal_test",
        end=Skipped("internal_test"),
    )


PRODUCTION: dict[str, Customer] = {
    customer.account_number: customer
    for customer in (
        Customer(
            "CT-2025-00002",
            "Thandeka",
            "Mokoena",
            "thandeka.mokoena@example.com",
            "+27 82 555 0102",
            service=_fibre("799.00", "50/50", "12 Protea Lane, Melville, Johannesburg, 2092", date(2025, 3, 3)),
        ),
        Customer(
            "CT-2025-00004",
            "Pieter",
            "van der Westhuizen",
            "pieter.vdw@example.com",
            "+27 83 555 0104",
            service=_fibre("599.00", "25/25", "4 Kiepersol Street, Potchefstroom, 2531", date(2025, 3, 17)),
        ),
        Customer(
            "CT-2025-00005",
            "Annelize",
            "Cronje",
            "accounts@karoobakery.example.com",
            "+27 44 555 0105",
            account_type="business",
            business_name="Karoo Crust Bakery (Pty) Ltd",
            service=_business("1499.00", "100/100", "27 Church Street, Oudtshoorn, 6625", date(2025, 4, 1)),
        ),
        Customer("CT-2025-00006", "Sipho", "Dlamini", "sipho.dlamini@example.com", "+27 72 555 0106"),
        Customer(
            "CT-2025-00007",
            "Ayesha",
            "Parker",
            "ayesha.parker@example.com",
            "+27 84 555 0107",
            service=_fibre("999.00", "100/100", "8 Chiappini Close, Bo-Kaap, Cape Town, 8001", date(2025, 4, 22)),
        ),
        Customer(
            "CT-2025-00008",
            "Nirvana",
            "Govender",
            "reception@umhlangasmiles.example.com",
            "+27 31 555 0108",
            account_type="business",
            business_name="Umhlanga Smiles Dental Studio",
            service=_business("1899.00", "200/200", "Suite 5, 90 Lagoon Drive, Umhlanga, 4319", date(2025, 5, 5)),
        ),
        Customer(
            "CT-2025-00009",
            "Johan",
            "Kruger",
            "johan.kruger@example.com",
            "+27 82 555 0109",
            end=Synced(active=False),
        ),
        Customer("CT-2025-00011", "Lerato", "Khumalo", "lerato.khumalo@example.com", "+27 73 555 0111"),
        Customer(
            "CT-2025-00012",
            "Riaan",
            "Fourie",
            "billing@tablebayfreight.example.com",
            "+27 21 555 0112",
            account_type="business",
            business_name="Table Bay Freight CC",
            service=_business("2499.00", "500/500", "Unit 3, 14 Marine Drive, Paarden Eiland, 7405", date(2025, 6, 2)),
        ),
        # Without an e-mail: the host's column may not be NULL, so it holds an empty string.
        Customer("CT-2025-00014", "Gogo", "Nkosi", "", "+27 13 555 0114"),
        Customer(
            "CT-2025-00015",
            "Zanele",
            "Mthembu",
            "zanele.mthembu@example.com",
            "+27 79 555 0115",
            service=_fibre("799.00", "50/50", "31 Ilala Road, Pietermaritzburg, 3201", date(2025, 7, 1)),
        ),
        Customer("CT-2025-00023", "Zoë", "Jacobs", "zoe.jacobs@example.com", "+27 61 555 0123"),
        Customer(
            "CT-2025-00024",
            "Willem",
            "Steyn",
            "stay@baobabguests.example.com",
            "+27 15 555 0124",
            account_type="business",
            business_name="Baobab Guest House",
            service=_business("1299.00", "50/50", "2 Baobab Avenue, Musina, 0900", date(2025, 9, 15)),
        ),
    )
}

TEST_ACCOUNTS = tuple(
    _test_account(number, purpose) for number, purpose in enumerate(("Billing", "Support", "Netops", "Training"), 1)
)


def _sign_ups(told: str, *numbers: str) -> Act:
    return Act(told, tuple(SignUp(PRODUCTION[f"CT-2025-{number}"]) for number in numbers))


ACTS: tuple[Act, ...] = (
    _sign_ups("The web shop signs up the first customers", "00002", "00004", "00005"),
    _sign_ups("More sign-ups, some with a service that is installed already", "00006", "00007", "00008", "00009"),
    _sign_ups("The sales desk enters customers, one of them without an e-mail address", "00011", "00012", "00014"),
    _sign_ups("And the last three", "00015", "00023", "00024"),
    Act("The technicians make test accounts, which must never reach Zoho", tuple(map(SignUp, TEST_ACCOUNTS))),
    Act(
        "The call centre corrects a phone number",
        (Edit("CT-2025-00004", {"phone": "+27 83 555 0199"}),),
    ),
    Act(
        "A service is installed: its address becomes the customer's billing address",
        (
            Activation(
                "CT-2025-00011",
                _fibre("699.00", "25/25", "19 Vilakazi Crescent, Orlando West, Soweto, 1804", date(2025, 10, 6)),
            ),
        ),
    ),
    Act(
        "Finance suspends an account: it stays active in Zoho, where it can still pay",
        (Edit("CT-2025-00006", {"account_status": "suspended"}),),
    ),
    Act(
        "An account is cancelled: inactive in Zoho",
        (Edit("CT-2025-00009", {"account_status": "cancelled"}),),
    ),
    Act(
        "An operator asks for one to be sent again: UPDATE customers SET zoho_sync_status = 'pending' ...",
        (SendAgain("CT-2025-00012"),),
    ),
)
