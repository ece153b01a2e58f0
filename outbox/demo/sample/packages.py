"""What CircleTel sells: published to Zoho, not yet, and in vain."""

from decimal import Decimal

from outbox.demo.sample.rows import Package

HOME_25 = Package("HF-25", "HomeFibre 25/25", Decimal("699.00"), 25, 25)
HOME_50 = Package("HF-50", "HomeFibre 50/50", Decimal("799.00"), 50, 50)
HOME_100 = Package("HF-100", "HomeFibre 100/100", Decimal("999.00"), 100, 100)
BUSINESS_100 = Package("BF-100", "BizFibre 100/100", Decimal("1499.00"), 100, 100, customer_type="business")
BUSINESS_200 = Package("BF-200", "BizFibre 200/200", Decimal("1899.00"), 200, 200, customer_type="business")
BUSINESS_500 = Package("BF-500", "BizFibre 500/500", Decimal("2499.00"), 500, 500, customer_type="business")

WIRELESS_20 = Package("SL-20", "SkyLink 20/5", Decimal("649.00"), 20, 5, service_type="wireless", publishing="pending")
"""Published while the demo runs: the service that waits for it goes on."""

BUSINESS_WIRELESS = Package(
    "BW-20",
    "BizWireless 20/20",
    Decimal("1299.00"),
    20,
    20,
    service_type="wireless",
    customer_type="business",
    publishing="failed",
    publishing_error="the product has no tax",
    in_zoho=False,
)
"""Its service waits to the end."""

PACKAGES = (
    HOME_25,
    HOME_50,
    HOME_100,
    BUSINESS_100,
    BUSINESS_200,
    BUSINESS_500,
    WIRELESS_20,
    BUSINESS_WIRELESS,
)
