"""What pages of costs show: their tables, and a month of runs to show."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

from dashboard.costs.models import Gap, Price, Run
from dashboard.instances.models import Instance
from tests.factories import make_instance, make_run

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LAST_WEEK = "period=custom&since=2026-11-09&until=2026-11-15"
GPU, CPU, FREE = "modelarts.vm.gpu.v100", "modelarts.vm.cpu.8u", "modelarts.free"


def at(day: int, hour: float = 0) -> datetime:
    """A moment in November."""
    return datetime(2026, 11, day, tzinfo=UTC) + timedelta(hours=hour)


def price(flavor: str, running: str, currency: str = "EUR") -> Price:
    return Price.objects.create(
        flavor=flavor,
        running=Decimal(running),
        stopped=Decimal("0.01"),
        currency=currency,
        valid_from=date(2026, 1, 1),
    )


def add_week() -> dict[str, Instance]:
    """Add runs of four people in two currencies, one without a price, and a gap."""
    price(GPU, "2.10")
    price(CPU, "1.3333", "CNY")
    made = {
        "anna": make_instance(flavor=GPU, tags={"team": "vision"}),
        "tom": make_instance(flavor=CPU, owner_name="tom.becker", owner_id="b" * 32),
        "li": make_instance(flavor=FREE, owner_name="li.wei", tags={"team": "=text"}),
        "nobody": make_instance(flavor=GPU, owner_name="", owner_id=""),
    }
    Instance.objects.update(first_seen_at=at(10), status="STOPPED")
    kinds = list(Run.EndedBy)
    for number, instance in enumerate(made.values()):
        instance.refresh_from_db()
        for day in range(10, 14):
            make_run(
                instance=instance,
                started_at=at(day, 7 + number),
                hours=number + day / 7,
                ended_by=kinds[(number + day) % len(kinds)],
                has_end=bool(number % 2),
            )
    Gap.objects.create(cloud=made["anna"].cloud, since=at(12, 8), until=at(12, 11))
    return made


class Cell:
    """A cell of a table: its words and where it leads."""

    def __init__(self, attributes: dict[str, str | None]) -> None:
        self.text = ""
        self.href = ""
        self.label = attributes.get("data-label") or ""


class Tables(HTMLParser):
    """The tables of a page, by caption."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.by_caption: dict[str, list[list[Cell]]] = {}
        self._rows: list[list[Cell]] = []
        self._cell: Cell | None = None
        self._caption: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "table":
            self._rows = []
        elif tag == "caption":
            self._caption = ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in {"td", "th"}:
            self._cell = Cell(attributes)
            self._rows[-1].append(self._cell)
        elif tag == "a" and self._cell:
            self._cell.href = attributes["href"] or ""

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._cell = None
        elif tag == "caption":
            self.by_caption[" ".join((self._caption or "").split())] = self._rows
            self._caption = None

    def handle_data(self, data: str) -> None:
        if self._caption is not None:
            self._caption += data
        elif self._cell is not None:
            self._cell.text = " ".join(f"{self._cell.text} {data}".split())

    def table(self, start: str) -> list[list[Cell]]:
        """Return the rows of the table whose caption begins so, with their heads."""
        return next(
            rows for text, rows in self.by_caption.items() if text.startswith(start)
        )


def number(text: str) -> float:
    """Return the number of a cell; a dash is nothing."""
    first = text.split()[0].replace(",", "")
    return 0 if first == "\N{EN DASH}" else float(first.rstrip("%"))


def tables(response: Any) -> Tables:
    assert response.status_code == 200
    return Tables(response.content.decode())
