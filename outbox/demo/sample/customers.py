"""CircleTel's thirteen production customers by account number, and its four test accounts.

Names, businesses, numbers and addresses are fictitious; every e-mail address is below example.com.
"""

from outbox.demo.sample.ends import CustomerInZoho, Skipped
from outbox.demo.sample.rows import Customer

THANDEKA = Customer(
    "CT-2025-00002",
    "Thandeka",
    "Mokoena",
    "thandeka.mokoena@example.com",
    "+27 82 555 0102",
    zoho_id="4600000000000102",
    end=CustomerInZoho(created=0),
)
PIETER = Customer(
    "CT-2025-00004",
    "Pieter",
    "van der Westhuizen",
    "pieter.vdw@example.com",
    "+27 83 555 0104",
    zoho_id="4600000000000104",
    end=CustomerInZoho(created=0),
)
BAKERY = Customer(
    "CT-2025-00005",
    "Annelize",
    "Cronje",
    "accounts@karoobakery.example.com",
    "+27 44 555 0105",
    account_type="business",
    business_name="Karoo Crust Bakery (Pty) Ltd",
)
SIPHO = Customer("CT-2025-00006", "Sipho", "Dlamini", "sipho.dlamini@example.com", "+27 72 555 0106")
AYESHA = Customer("CT-2025-00007", "Ayesha", "Parker", "ayesha.parker@example.com", "+27 84 555 0107")
DENTIST = Customer(
    "CT-2025-00008",
    "Nirvana",
    "Govender",
    "reception@umhlangasmiles.example.com",
    "+27 31 555 0108",
    account_type="business",
    business_name="Umhlanga Smiles Dental Studio",
)
JOHAN = Customer(
    "CT-2025-00009",
    "Johan",
    "Kruger",
    "johan.kruger@example.com",
    "+27 82 555 0109",
    end=CustomerInZoho(active=False),
)
LERATO = Customer("CT-2025-00011", "Lerato", "Khumalo", "lerato.khumalo@example.com", "+27 73 555 0111")
FREIGHT = Customer(
    "CT-2025-00012",
    "Riaan",
    "Fourie",
    "billing@tablebayfreight.example.com",
    "+27 21 555 0112",
    account_type="business",
    business_name="Table Bay Freight CC",
)
GOGO = Customer("CT-2025-00014", "Gogo", "Nkosi", "", "+27 13 555 0114")
"""Without an e-mail: the host's column may not be NULL, so it holds an empty string."""
ZANELE = Customer("CT-2025-00015", "Zanele", "Mthembu", "zanele.mthembu@example.com", "+27 79 555 0115")
ZOE = Customer("CT-2025-00023", "Zoë", "Jacobs", "zoe.jacobs@example.com", "+27 61 555 0123", account_status="pending")
GUEST_HOUSE = Customer(
    "CT-2025-00024",
    "Willem",
    "Steyn",
    "stay@baobabguests.example.com",
    "+27 15 555 0124",
    account_type="business",
    business_name="Baobab Guest House",
)

PRODUCTION = (
    THANDEKA,
    PIETER,
    BAKERY,
    SIPHO,
    AYESHA,
    DENTIST,
    JOHAN,
    LERATO,
    FREIGHT,
    GOGO,
    ZANELE,
    ZOE,
    GUEST_HOUSE,
)


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


TEST_ACCOUNTS = tuple(
    _test_account(number, purpose) for number, purpose in enumerate(("Billing", "Support", "Netops", "Training"), 1)
)
TESTER = TEST_ACCOUNTS[0]
"""With a service, an invoice and a payment, which must stay out as well."""
