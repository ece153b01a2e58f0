"""Services in every state, and where their subscriptions must stand.

All begin on a day to come: the host has billed the present month, so Zoho raises no invoice while the demo runs.
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
    PIETER,
    SIPHO,
    TESTER,
    THANDEKA,
    ZANELE,
    ZOE,
)
from outbox.demo.sample.days import Days
from outbox.demo.sample.ends import Dead, Skipped, SubscriptionInZoho, Waiting
from outbox.demo.sample.packages import (
    BUSINESS_100,
    BUSINESS_200,
    BUSINESS_500,
    BUSINESS_WIRELESS,
    HOME_25,
    HOME_50,
    HOME_100,
    WIRELESS_20,
)
from outbox.demo.sample.rows import Service


@dataclass(frozen=True)
class Services:
    """By whose they are."""

    thandeka: Service
    pieter: Service
    bakery: Service
    sipho: Service
    ayesha: Service
    dentist: Service
    johan_old: Service
    johan: Service
    lerato: Service
    freight: Service
    gogo: Service
    zanele: Service
    zoe: Service
    guest_house: Service
    tester: Service


def services(days: Days) -> Services:
    """As they are entered; what happens to them later is in the acts."""
    billed, next_month = days.last(1), SubscriptionInZoho(bills_next=days.next(1))
    return Services(
        # A subscription of the earlier integration. The price goes up with the next term.
        thandeka=Service(
            THANDEKA.account_number,
            HOME_50,
            Decimal("799.00"),
            SubscriptionInZoho("live", days.next(1), costs_until_then=Decimal("799.00"), created=0),
            "12 Protea Lane, Melville, Johannesburg, 2092",
            activation_date=days.ago(250),
            last_invoice_date=billed,
            zoho_id="4600000000000202",
        ),
        # An old price, kept when the package became dearer; cancelled later, and Zoho lets the term run out.
        pieter=Service(
            PIETER.account_number,
            HOME_25,
            Decimal("599.00"),
            SubscriptionInZoho("non_renewing", created=0),
            "4 Kiepersol Street, Potchefstroom, 2531",
            activation_date=days.ago(240),
            last_invoice_date=billed,
            zoho_id="4600000000000204",
        ),
        # A price of their own.
        bakery=Service(
            BAKERY.account_number,
            BUSINESS_100,
            Decimal("1349.50"),
            next_month,
            "27 Church Street, Oudtshoorn, 6625",
            activation_date=days.ago(220),
            last_invoice_date=billed,
        ),
        # Suspended later: Zoho's API has no pause, so it goes on.
        sipho=Service(
            SIPHO.account_number,
            HOME_50,
            HOME_50.price,
            next_month,
            "51 Mbeki Street, Mamelodi, Pretoria, 0122",
            activation_date=days.ago(200),
            last_invoice_date=billed,
        ),
        ayesha=Service(
            AYESHA.account_number,
            HOME_100,
            HOME_100.price,
            SubscriptionInZoho(bills_next=days.next(25)),
            "8 Chiappini Close, Bo-Kaap, Cape Town, 8001",
            activation_date=days.ago(190),
            billing_day=25,
            last_invoice_date=days.last(25),
        ),
        dentist=Service(
            DENTIST.account_number,
            BUSINESS_200,
            BUSINESS_200.price,
            next_month,
            "Suite 5, 90 Lagoon Drive, Umhlanga, 4319",
            activation_date=days.ago(180),
            last_invoice_date=billed,
        ),
        # Over before it was ever in Zoho.
        johan_old=Service(
            JOHAN.account_number,
            HOME_25,
            HOME_25.price,
            Skipped("none is created"),
            "3 Jacaranda Avenue, Bloemfontein, 9301",
            status="cancelled",
            activation_date=days.ago(400),
            last_invoice_date=days.ago(200),
        ),
        # Cancelled later, before its first term.
        johan=Service(
            JOHAN.account_number,
            HOME_50,
            HOME_50.price,
            SubscriptionInZoho("cancelled"),
            "77 Nelson Mandela Drive, Bloemfontein, 9301",
            activation_date=days.ago(30),
            last_invoice_date=billed,
        ),
        # Its package is published later.
        lerato=Service(
            LERATO.account_number,
            WIRELESS_20,
            WIRELESS_20.price,
            next_month,
            "19 Vilakazi Crescent, Orlando West, Soweto, 1804",
            activation_date=days.ago(100),
            last_invoice_date=billed,
        ),
        freight=Service(
            FREIGHT.account_number,
            BUSINESS_500,
            BUSINESS_500.price,
            next_month,
            "Unit 3, 14 Marine Drive, Paarden Eiland, 7405",
            activation_date=days.ago(170),
            last_invoice_date=billed,
        ),
        # Activated from an order, which leaves no package behind.
        gogo=Service(
            GOGO.account_number,
            None,
            Decimal("599.00"),
            Dead("set package_id"),
            "Stand 412, Kanyamazane, 1214",
            activation_date=days.ago(20),
            last_invoice_date=billed,
            sold_as="HomeFibre order 1187",
        ),
        # The technician is still on the way; later it is active.
        zanele=Service(
            ZANELE.account_number,
            HOME_50,
            HOME_50.price,
            SubscriptionInZoho(bills_next=days.next(days.another_day)),
            "31 Ilala Road, Pietermaritzburg, 3201",
            status="pending",
            billing_day=days.another_day,
        ),
        zoe=Service(
            ZOE.account_number,
            HOME_25,
            HOME_25.price,
            Skipped("not active yet"),
            "6 Loop Street, Stellenbosch, 7600",
            status="pending",
        ),
        guest_house=Service(
            GUEST_HOUSE.account_number,
            BUSINESS_WIRELESS,
            BUSINESS_WIRELESS.price,
            Waiting("package BizWireless 20/20 to be published"),
            "2 Baobab Avenue, Musina, 0900",
            activation_date=days.ago(60),
            last_invoice_date=billed,
        ),
        tester=Service(
            TESTER.account_number,
            HOME_100,
            HOME_100.price,
            Skipped("internal_test"),
            "1 Server Room, Midrand, 1685",
            activation_date=days.ago(10),
            last_invoice_date=billed,
        ),
    )
