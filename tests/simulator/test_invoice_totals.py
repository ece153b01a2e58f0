from decimal import Decimal

import pytest

from outbox.simulator import SimulatorSettings
from outbox.simulator.invoice_totals import Line, Totals, totals
from outbox.simulator.settings import TaxSettings
from outbox.simulator.state import Simulator

STANDARD = TaxSettings(tax_id="1", tax_name="Standard Rate", tax_percentage=Decimal(15))
SAME_RATE = TaxSettings(tax_id="2", tax_name="Standard Rate too", tax_percentage=Decimal(15))
ZERO = TaxSettings(tax_id="3", tax_name="Zero Rate", tax_percentage=Decimal(0))


@pytest.fixture
def settings() -> SimulatorSettings:
    return SimulatorSettings()


def added_up(
    settings: SimulatorSettings,
    *lines: tuple[str, int, TaxSettings | None],
    inclusive: bool,
    extra: str = "0",
) -> Totals:
    counted = [Line(Decimal(price), Decimal(quantity), tax) for price, quantity, tax in lines]
    return totals(Simulator(settings).books, counted, inclusive=inclusive, extra=Decimal(extra))


def test_inclusive_prices_add_up_to_the_total_and_hold_the_tax(settings: SimulatorSettings) -> None:
    sums = added_up(settings, ("899", 1, STANDARD), ("115", 2, STANDARD), inclusive=True)
    assert (sums.sub_total, sums.tax_total, sums.total) == (Decimal("981.74"), Decimal("147.26"), Decimal("1129.00"))
    assert sums.taxes == (("Standard Rate", Decimal("147.26")),)


def test_exclusive_prices_have_tax_added(settings: SimulatorSettings) -> None:
    sums = added_up(settings, ("100", 3, STANDARD), inclusive=False)
    assert (sums.sub_total, sums.tax_total, sums.total) == (Decimal("300.00"), Decimal("45.00"), Decimal("345.00"))


def test_inclusive_can_be_without_effect(settings: SimulatorSettings) -> None:
    settings.invoices.honour_inclusive_tax = False
    assert added_up(settings, ("100", 1, STANDARD), inclusive=True).total == Decimal("115.00")


@pytest.mark.parametrize(("rounding", "tax"), [("line", "0.15"), ("total", "0.14")])
def test_tax_is_rounded_per_line_or_on_the_total(settings: SimulatorSettings, rounding: str, tax: str) -> None:
    settings.change({"invoices": {"tax_rounding": rounding}})
    # 15 % of 0.30 is 0.045 three times: 0.05 each on its line, 0.135 together.
    sums = added_up(settings, *[("0.30", 1, STANDARD)] * 3, inclusive=False)
    assert (sums.tax_total, sums.total) == (Decimal(tax), Decimal("0.90") + Decimal(tax))


@pytest.mark.parametrize("rounding", ["line", "total"])
def test_how_tax_is_rounded_does_not_change_an_inclusive_total(settings: SimulatorSettings, rounding: str) -> None:
    settings.change({"invoices": {"tax_rounding": rounding}})
    sums = added_up(settings, *[("0.33", 1, STANDARD)] * 7, inclusive=True)
    assert sums.total == Decimal("2.31")
    assert sums.sub_total + sums.tax_total == sums.total


def test_halves_of_a_cent_are_rounded_away_from_zero(settings: SimulatorSettings) -> None:
    assert added_up(settings, ("0.10", 1, STANDARD), inclusive=False).tax_total == Decimal("0.02")
    assert added_up(settings, ("-0.10", 1, STANDARD), inclusive=False).tax_total == Decimal("-0.02")


def test_a_price_of_fractions_is_rounded_once_per_line(settings: SimulatorSettings) -> None:
    assert added_up(settings, ("0.333", 3, ZERO), inclusive=False).total == Decimal("1.00")


def test_taxes_are_summed_by_tax_and_not_by_rate(settings: SimulatorSettings) -> None:
    sums = added_up(
        settings, ("10", 1, STANDARD), ("10", 1, SAME_RATE), ("10", 1, ZERO), ("10", 1, None), inclusive=False
    )
    assert sums.taxes == (
        ("Standard Rate", Decimal("1.50")),
        ("Standard Rate too", Decimal("1.50")),
        ("Zero Rate", Decimal("0.00")),
    )
    assert sums.total == Decimal("43.00")


def test_shipping_and_adjustment_bear_no_tax(settings: SimulatorSettings) -> None:
    sums = added_up(settings, ("100", 1, STANDARD), inclusive=False, extra="-0.03")
    assert (sums.tax_total, sums.total) == (Decimal("15.00"), Decimal("114.97"))
