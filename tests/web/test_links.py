"""Links to what people see in Zoho."""

import pytest

from outbox.zoho.regions import Region, web_base


@pytest.mark.parametrize(
    ("region", "base"),
    [
        (Region.COM, "https://billing.zoho.com"),
        (Region.COM_AU, "https://billing.zoho.com.au"),
        (Region.CA, "https://billing.zohocloud.ca"),
    ],
)
def test_each_data_centre_has_its_own(region: Region, base: str) -> None:
    assert web_base(region) == base


def test_no_two_are_the_same() -> None:
    assert len({web_base(region) for region in Region}) == len(Region)
