"""The price list as a CSV file."""

from datetime import UTC

from dashboard.audit.export import FORMULA
from dashboard.web.csv_files import Layout

from .amounts import plain
from .models import Price

COLUMNS = ("cloud", "flavor", "running", "stopped", "currency", "valid_from")
PROVENANCE = ("source", "set_by", "set_at")
"""Columns of an exported list that an import does not read."""

PRICES = Layout(
    COLUMNS,
    required=("flavor", "running", "currency"),
    aliases={"valid from": "valid_from"},
    ignored=PROVENANCE,
)


def cells(price: Price) -> tuple[str, ...]:
    """Return the cells of a price; numbers have a decimal point, times are UTC."""
    return (
        price.cloud,
        price.flavor,
        plain(price.running),
        "" if price.stopped is None else plain(price.stopped),
        price.currency,
        price.valid_from.isoformat(),
        price.source,
        price.created_by.get_username() if price.created_by else "",
        price.created_at.astimezone(UTC).isoformat(timespec="seconds"),
    )


def unescaped(cell: str) -> str:
    """Return what an export put into a cell, without its apostrophe."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in FORMULA else cell
