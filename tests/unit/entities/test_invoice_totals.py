"""Zoho's total foretold, and the tax that is chosen: decisions.md, Invoices."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outbox.entities.catalogue import CatalogueKind, Tax
from outbox.entities.contract import CannotMap
from outbox.entities.invoice_lines import Line
from outbox.entities.invoice_totals import TOLERANCE, Figures, Forecast, LineTax, forecast, line_tax
from tests.terms import TERMS

STANDARD = Tax("15", "Standard Rate", Decimal("15.00"))
ZERO_RATE = Tax("0", "Zero Rate", Decimal(0))
TAXES = replace(TERMS, taxes=(STANDARD, ZERO_RATE))


def figures(subtotal: str, tax: str | None, total: str, vat_rate: str | None = "15.00") -> Figures:
    return Figures(
        Decimal(subtotal),
        None if tax is None else Decimal(tax),
        Decimal(total),
        None if vat_rate is None else Decimal(vat_rate),
    )


def lines(*prices: str) -> list[Line]:
    return [Line("Fibre", Decimal(price), 1) for price in prices]


CONSUMER = figures("694.78", "104.22", "799.00")


class TestTax:
    def test_the_rate_is_vat_rate(self) -> None:
        assert line_tax(CONSUMER, lines("799.00"), TAXES) == LineTax("15", Decimal(15))

    @pytest.mark.parametrize(
        ("host", "tax_id"),
        [
            (figures("1500.00", "225.00", "1725.00", None), "15"),
            (figures("694.78", "104.22", "799.00", None), "15"),
            (figures("100.00", "0.00", "100.00", None), "0"),
            (figures("100.00", None, "115.00", None), "15"),
            (figures("100.00", None, "100.00", None), "0"),
            (figures("694.78", "104.22", "799.00", "14.00"), "15"),
        ],
        ids=["exact", "rounded", "none", "not recorded", "neither tax nor recorded", "vat_rate is no tax of Zoho's"],
    )
    def test_else_it_follows_from_the_figures(self, host: Figures, tax_id: str) -> None:
        assert line_tax(host, lines("1"), TAXES).tax_id == tax_id

    def test_a_cent_a_line_is_allowed(self) -> None:
        host = figures("100.00", "15.03", "115.03", None)
        assert line_tax(host, lines("1", "1", "1"), TAXES).tax_id == "15"
        with pytest.raises(CannotMap, match="fits no tax"):
            line_tax(host, lines("1", "1"), TAXES)

    def test_the_setting_goes_before_the_catalogue(self) -> None:
        told = replace(TAXES, tax_ids={Decimal(15): "chosen"})
        assert line_tax(CONSUMER, lines("799.00"), told).tax_id == "chosen"

    def test_the_setting_is_enough(self) -> None:
        told = replace(TERMS, tax_ids={Decimal(15): "chosen"}, taxes=())
        assert line_tax(CONSUMER, lines("799.00"), told).tax_id == "chosen"

    def test_the_same_rate_twice_is_refused_with_the_list(self) -> None:
        told = replace(TERMS, taxes=(STANDARD, Tax("16", "VAT", Decimal(15))))
        with pytest.raises(CannotMap, match=r"2 taxes of 15 %.*Standard Rate 15.*VAT 16.*ZOHO_TAX_IDS") as refused:
            line_tax(CONSUMER, lines("799.00"), told)
        assert refused.value.looked_in is CatalogueKind.TAXES

    @pytest.mark.parametrize("taxes", [(), None, (ZERO_RATE,)])
    def test_a_rate_that_is_not_there_is_refused_with_the_list(self, taxes: tuple[Tax, ...] | None) -> None:
        with pytest.raises(CannotMap, match=r"vat_rate 15, and tax_amount 104.22 .* fits no tax") as refused:
            line_tax(CONSUMER, lines("799.00"), replace(TERMS, taxes=taxes))
        assert refused.value.looked_in is CatalogueKind.TAXES

    def test_figures_too_small_to_tell_two_rates_apart_are_refused(self) -> None:
        with pytest.raises(CannotMap, match="fits several taxes"):
            line_tax(figures("0.04", "0.00", "0.04", "14.00"), lines("0.04"), TAXES)

    def test_a_subtotal_of_nothing_divides_nothing(self) -> None:
        with pytest.raises(CannotMap, match="fits no tax"):
            line_tax(figures("0.00", "5.00", "5.00", None), lines("5"), TAXES)


class TestForecast:
    def test_lines_that_add_up_to_the_total_hold_the_tax(self) -> None:
        assert forecast(CONSUMER, lines("799.00"), Decimal(15)) == Forecast(
            True, Decimal("799.00"), Decimal("0.00"), tax=Decimal("104.22")
        )

    def test_lines_that_add_up_to_the_subtotal_do_not(self) -> None:
        told = forecast(figures("1500.00", "225.00", "1725.00"), lines("1000.00", "500.00"), Decimal(15))
        assert told == Forecast(False, Decimal("1725.00"), Decimal("0.00"), tax=Decimal("225.00"))

    def test_the_default_rate_on_an_invoice_without_tax_adds_nothing_to_it(self) -> None:
        host = figures("799.00", "0.00", "799.00")
        told = forecast(host, lines("799.00"), Decimal(15))
        assert told == Forecast(True, Decimal("799.00"), Decimal("0.00"), tax=Decimal("104.22"))
        assert "its tax is 104.22 in Zoho (15 % on every line) and tax_amount is 0.00 here" in str(
            told.tax_told(host, 1, Decimal(15))
        )

    @pytest.mark.parametrize(("tax", "is_told"), [("104.22", False), ("104.17", False), ("104.16", True)])
    def test_a_tax_that_is_more_than_five_cents_off_is_told(self, tax: str, is_told: bool) -> None:
        host = figures("694.78", tax, "799.00")
        told = forecast(host, lines("799.00"), Decimal(15))
        assert (told.tax_told(host, 1, Decimal(15)) is not None) is is_told

    @pytest.mark.parametrize(("prices", "adjustment"), [(("799.05",), "-0.05"), (("400.00", "398.95"), "0.05")])
    def test_up_to_five_cents_are_adjusted(self, prices: tuple[str, ...], adjustment: str) -> None:
        told = forecast(CONSUMER, lines(*prices), Decimal(15))
        assert (told.inclusive, told.adjustment) == (True, Decimal(adjustment))

    @pytest.mark.parametrize("price", ["799.06", "798.94", "694.84", "694.72", "0.00", "1598.00"])
    def test_lines_that_miss_both_by_more_are_refused_with_the_figures(self, price: str) -> None:
        with pytest.raises(CannotMap, match=rf"add up to {price}.*799\.00.*694\.78"):
            forecast(CONSUMER, lines(price), Decimal(15))

    def test_a_rate_that_does_not_lead_to_the_total_is_refused_with_the_figures(self) -> None:
        with pytest.raises(CannotMap, match=r"100\.00; with 15 % tax that makes 115\.00, and total_amount is 114\.00"):
            forecast(figures("100.00", "14.00", "114.00"), lines("100.00"), Decimal(15))

    def test_tax_on_prices_without_it_is_rounded_line_by_line(self) -> None:
        host = figures("1.11", "0.18", "1.29")
        assert forecast(host, lines("0.37", "0.37", "0.37"), Decimal(15)).total == Decimal("1.29")

    def test_figures_that_are_close_to_each_other_do_not_raise_the_total(self) -> None:
        host = figures("1.00", "0.04", "1.04")
        told = forecast(host, lines("1.00"), Decimal(15))
        assert (told.inclusive, told.total + told.adjustment) == (True, host.total)

    @settings(deadline=None)
    @given(
        st.lists(st.decimals("0.01", 9999, places=2), min_size=1, max_size=6),
        st.sampled_from([Decimal(0), Decimal(15), Decimal("14.5")]),
        st.booleans(),
        st.decimals("-0.04", "0.04", places=2),
    )
    def test_what_zoho_adds_up_to_is_the_hosts_total_to_the_cent(
        self, prices: list[Decimal], rate: Decimal, inclusive: bool, off: Decimal
    ) -> None:
        # Zoho's arithmetic, written down a second time.
        cent = Decimal("0.01")
        amounts = sum(prices, Decimal(0))
        if inclusive:
            total = amounts + off
            subtotal = (total / (1 + rate / 100)).quantize(cent, ROUND_HALF_UP)
        else:
            total = amounts + sum((price * rate / 100).quantize(cent, ROUND_HALF_UP) for price in prices) + off
            subtotal = amounts
        host = Figures(subtotal, total - subtotal, total, rate)
        told = forecast(host, [Line("Fibre", price, 1) for price in prices], rate)
        tax = Decimal(0) if told.inclusive else sum((p * rate / 100).quantize(cent, ROUND_HALF_UP) for p in prices)
        assert amounts + tax + told.adjustment == total
        assert abs(told.adjustment) <= TOLERANCE
