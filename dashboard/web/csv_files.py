"""Reads CSV files as spreadsheets write them."""

import csv
import io
from collections.abc import Collection, Iterator, Mapping

from django.utils.translation import gettext as _

SURPLUS = ""
"""Stands for a column: the cells of a line that have none."""

_DELIMITERS = ",;\t"


class UnreadableError(Exception):
    """The text is not such a list; the message says why."""


def decode(content: bytes) -> str:
    """Return the text of a file in UTF-8, or as older spreadsheets write it."""
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableError(_("Save the file as CSV in UTF-8."))


class Layout:
    """The columns of a list."""

    def __init__(
        self,
        columns: Collection[str],
        *,
        required: Collection[str],
        aliases: Mapping[str, str] | None = None,
        ignored: Collection[str] = (),
    ) -> None:
        """Describe a list.

        Args:
            columns: Their names, in lower case.
            required: The columns that the header must have.
            aliases: Other names of columns, in lower case.
            ignored: Names of columns that a list may have and that are not read.
        """
        self.columns = columns
        self._required = required
        self._aliases = aliases or {}
        self._ignored = ignored

    def rows_of(self, text: str) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield number and cells, by column, of each line that is not empty.

        What a line has beyond the columns of the header is in ``SURPLUS``.

        Raises:
            UnreadableError: No header, an unknown column, or a quote that never closes.
        """
        head = text.lstrip().partition("\n")[0]
        delimiter = max(_DELIMITERS, key=lambda each: len(self._known(head, each)))
        # Strict, so that a quote that is never closed does not swallow other lines.
        reader = csv.reader(io.StringIO(text.strip()), delimiter=delimiter, strict=True)
        columns: list[str] = []
        try:
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if columns:
                    yield reader.line_num, self._cells(columns, cells)
                else:
                    columns = self._checked_header(cells)
        except csv.Error as error:
            raise UnreadableError(
                _("Line %(number)s cannot be read: %(reason)s.")
                % {"number": reader.line_num, "reason": error}
            ) from None

    def _cells(self, columns: list[str], cells: list[str]) -> dict[str, str]:
        named = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        kept = {name: cell for name, cell in named.items() if name in self.columns}
        surplus = " ".join(cells[len(columns) :]).strip()
        return dict.fromkeys(self.columns, "") | kept | {SURPLUS: surplus}

    def _column(self, title: str) -> str:
        name = title.strip().lstrip("\ufeff").strip('"').casefold()
        return self._aliases.get(name, name)

    def _known(self, head: str, delimiter: str) -> set[str]:
        return set(map(self._column, head.split(delimiter))) & set(self.columns)

    def _checked_header(self, cells: list[str]) -> list[str]:
        columns = [self._column(cell) for cell in cells]
        unknown = [
            cell
            for cell, name in zip(cells, columns, strict=True)
            if name not in self.columns and name not in self._ignored
        ]
        if not set(self._required) <= set(columns):
            raise UnreadableError(
                _("The first line must name the columns: %(columns)s.")
                % {"columns": ", ".join(self.columns)}
            )
        if unknown or len(set(columns)) < len(columns):
            raise UnreadableError(
                _("Unknown or repeated column: %(column)s. Use %(columns)s.")
                % {
                    "column": (unknown or columns)[0],
                    "columns": ", ".join(self.columns),
                }
            )
        return columns
