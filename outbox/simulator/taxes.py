"""The organisation's taxes (sheet 2.6). They live in the settings: no API changes them."""

from outbox.simulator.books import Books, Record
from outbox.simulator.calls import Call
from outbox.simulator.replies import Reply, bad_value, success
from outbox.simulator.settings import SimulatorSettings, TaxSettings


def list_all(call: Call) -> Reply:
    """``GET /settings/taxes``: all of them on one page."""
    return success("success", {"taxes": shown(call.settings)})


def shown(settings: SimulatorSettings) -> list[Record]:
    """The taxes as the list shows them, all text unless ``taxes_as_text`` is off."""
    return [_row(tax, as_text=settings.taxes_as_text) for tax in settings.taxes]


def tax_of_line(books: Books, tax_id: str) -> TaxSettings | None:
    """The tax of a line: the named one, else the default one, else none (sheet 2.4).

    Raises Refusal 400/4 where there is no tax of that id (code and text are guesses).
    """
    for tax in books.settings.taxes:
        if tax.tax_id == tax_id or (not tax_id and tax.is_default_tax):
            return tax
    if tax_id:
        raise bad_value("tax_id")
    return None


def _row(tax: TaxSettings, *, as_text: bool) -> Record:
    return {
        "tax_id": tax.tax_id,
        "tax_name": tax.tax_name,
        "tax_percentage": f"{tax.tax_percentage:f}" if as_text else tax.tax_percentage,
        "tax_type": tax.tax_type,
        "is_default_tax": _flag(tax.is_default_tax, as_text=as_text),
        "is_editable": _flag(value=True, as_text=as_text),
        "is_inactive": _flag(value=False, as_text=as_text),
        "status": "Active",
        "tax_specific_type": "",
        "tax_authority_id": "",
        "tax_authority_name": "",
    }


def _flag(value: bool, *, as_text: bool) -> bool | str:
    return str(value).lower() if as_text else value
