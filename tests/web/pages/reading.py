"""A page as a person reads it: its text without markup."""

import re
from html.parser import HTMLParser

import httpx

OVERVIEW = "/admin/zoho-sync"


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def text_of(markup: str) -> str:
    """All words in one line."""
    parser = _Text()
    parser.feed(markup)
    return " ".join(" ".join(parser.words).split())


async def read(client: httpx.AsyncClient, address: str = "", *, status: int = 200) -> str:
    """The words of a page below the overview's address."""
    answer = await client.get(address if address.startswith(OVERVIEW) else OVERVIEW + address)
    assert answer.status_code == status, answer.text
    return text_of(answer.text)


def rows_in(markup: str, kind: str = "log") -> list[str]:
    """Ids of the rows of a list, in their order."""
    return re.findall(rf'id="{kind}-([^"]+)"', markup)


def link_called(markup: str, words: str) -> str | None:
    """Where a link leads."""
    found = re.search(rf'<a href="([^"]+)"[^>]*>{re.escape(words)}</a>', markup)
    return None if found is None else found[1].replace("&amp;", "&")
