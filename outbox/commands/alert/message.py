"""What receivers get: text for whoever reads text, HTML for mail, made from the same parts.

What rows and Zoho say is data: the template escapes it, and text is kept from being read as a mention of people or as
markup (Slack's ``<!channel>``, Discord's ``@everyone``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from outbox.commands.alert.news import News, Word
from outbox.wording import count

MOST_ITEMS = 50
"""Lines of one message: chat services cut long ones into pieces, and nobody reads them."""

BLANK = "\u200b"
"""Of no width: what stands before it is read as itself."""


@dataclass(frozen=True)
class Item:
    """One line, and what belongs to it."""

    text: str
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """Lines under a heading."""

    heading: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Message:
    """What is told."""

    title: str
    intro: str
    sections: tuple[Section, ...]
    footer: str = ""

    def as_text(self) -> str:
        """Without the title, which goes apart."""
        lines = [self.intro]
        for section in self.sections:
            lines += ["", f"{section.heading}:"]
            for item in section.items:
                lines += [f"- {item.text}", *(f"  {detail}" for detail in item.details)]
        if self.footer:
            lines += ["", self.footer]
        return "\n".join(lines)

    def as_chat(self) -> str:
        """As text that mentions nobody."""
        return self.as_text().replace("@", f"@{BLANK}").replace("<", f"<{BLANK}")

    def as_html(self) -> str:
        """As mail shows it; whatever the lines hold is text."""
        from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - only where something is told

        environment = Environment(autoescape=True, undefined=StrictUndefined)
        template = files(__package__).joinpath("mail.html").read_text(encoding="utf-8")
        return environment.from_string(template).render(message=self)


def of_news(news: Sequence[News], where: str) -> Message:
    """One line a cause: how many, the cause, an example, the fix. ``where`` names the installation."""
    standing = [line for line in news if line.word is not Word.OVER]
    over = [line for line in news if line.word is Word.OVER]
    left = max(len(news) - MOST_ITEMS, 0)
    shown = standing[:MOST_ITEMS]
    sections = []
    if shown:
        sections.append(Section("Needs somebody", tuple(_standing(line) for line in shown)))
    if over_shown := over[: MOST_ITEMS - len(shown)]:
        sections.append(Section("Recovered", tuple(Item(_over(line)) for line in over_shown)))
    said = [count(len(standing), "problem", "problems") if standing else "", f"{len(over)} recovered" if over else ""]
    more = f"{count(left, 'line', 'lines')} more; the view zoho_outbox_dead shows all. " if left else ""
    return Message(
        f"zoho-outbox: {', '.join(part for part in said if part)}",
        f"What is new in {where} since the last alert.",
        tuple(sections),
        f"{more}zoho-outbox health-check says how everything stands.",
    )


def _standing(line: News) -> Item:
    counted = f"{line.counted}: " if line.counted else ""
    before = f" (was {line.was})" if line.word is Word.MORE else ""
    details = [f"example: {line.example}"] if line.example else []
    details += [f"fix: {line.fix}"] if line.fix else []
    return Item(f"{counted}{line.said}{before}", tuple(details))


def _over(line: News) -> str:
    counted = f"{line.counted}: " if line.counted else ""
    return f"{counted}{line.said}"
