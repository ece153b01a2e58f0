"""Text from the host, made fit for a JSON body and for comparison."""

import re
import unicodedata

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def clean(value: str | None) -> str:
    """``value`` without control characters and outer blanks; '' for None. Line ends become ', '."""
    if not value:
        return ""
    if value.isprintable():  # nearly all of it: no line ends, no control characters
        return value.strip()
    lines = (part.strip() for part in re.split(r"[\r\n\u2028\u2029]+", value))
    return _CONTROL.sub(" ", ", ".join(part for part in lines if part)).strip()


def same(left: str | None, right: str | None) -> bool:
    """Whether two names are equal to a person: case, blanks and composed forms of letters apart."""
    return _folded(left) == _folded(right)


def _folded(value: str | None) -> str:
    return " ".join(unicodedata.normalize("NFKC", value or "").casefold().split())
