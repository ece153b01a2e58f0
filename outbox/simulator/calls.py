"""One API request on its way through the simulator."""

from collections.abc import Collection as Names
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outbox.simulator.books import Books
from outbox.simulator.replies import bad_value, from_json
from outbox.simulator.settings import SimulatorSettings


@dataclass(slots=True)
class Call:
    """What an endpoint is given."""

    method: str
    path: str
    """Below the API root, such as ``/customers/4600000000001002``."""
    route: str
    """The path's template, such as ``/customers/{customer_id}``."""
    arguments: dict[str, str]
    """Values of the template's names."""
    query: dict[str, str]
    body: bytes
    books: Books
    settings: SimulatorSettings
    now: float
    """Epoch seconds of the simulator's clock at which the request is carried out."""
    every_books: Mapping[str, Books]
    """The books of all the user's organisations, by id."""
    page_shift: int = 0
    """By how many rows pages after the first are displaced: the mark of a list that changed while it was
    read."""
    unknown_keys: list[str] = field(default_factory=list)
    """Body keys that the endpoint does not know, filled in by :meth:`body_object` and
    :meth:`note_unknown`."""

    def body_object(self, known: Names[str]) -> dict[str, Any]:
        """The JSON object sent, without keys outside `known`.

        Raises Refusal 400/4 where the body is no JSON object (the text is a guess), or where
        `refuse_unknown_keys` is set and there is one.
        """
        try:
            sent = from_json(self.body)
        except ValueError:
            raise bad_value("JSONString") from None
        if not isinstance(sent, dict):
            raise bad_value("JSONString")
        self.note_unknown([key for key in sent if key not in known])
        return {key: value for key, value in sent.items() if key in known}

    def note_unknown(self, keys: list[str]) -> None:
        """Count body keys that mean nothing here. Raises Refusal 400/4 where `refuse_unknown_keys` is set."""
        self.unknown_keys.extend(keys)
        if keys and self.settings.refuse_unknown_keys:
            raise bad_value(keys[0])
