"""Collects messages, and keeps the catalogs up to date with them.

    python -m tests.translation.messages

updates and compiles ``django.po`` (messages of code and templates) and ``djangojs.po``
(of scripts) in ``locale/<language>/LC_MESSAGES``. New messages come in empty, gone ones
go out; nothing is guessed. Pure Python: GNU gettext's programs are not needed.
"""

import io
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent.parent
LOCALE = ROOT / "locale"
LANGUAGES = sorted(
    path.parent.parent.name for path in LOCALE.glob("*/LC_MESSAGES/django.po")
)
DOMAINS = ("django", "djangojs")

_KEYWORDS = DEFAULT_KEYWORDS | {
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
_NO_DATE = datetime(2026, 1, 1, tzinfo=UTC)
_HEADER = """\
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural_forms}\\n"

"""


def collected(language: str, domain: str) -> Catalog:
    """All messages there are, not translated.

    Args:
        language: Decides how many plural forms there are.
        domain: ``django`` for those of code and templates, ``djangojs`` of scripts.
    """
    catalog = Catalog(locale=language)
    method, sources = (
        ("python", _sources()) if domain == "django" else ("javascript", _scripts())
    )
    for place, text in sources:
        for _, found, comments, context in extract(
            method, io.BytesIO(text.encode()), _KEYWORDS, ("Translators:",)
        ):
            catalog.add(
                found,
                locations=[(place, 1)],
                auto_comments=comments,
                context=context,
            )
    return catalog


def po_path(language: str, domain: str) -> Path:
    """Where the translations are written by hand."""
    return LOCALE / language / "LC_MESSAGES" / f"{domain}.po"


def mo_path(language: str, domain: str) -> Path:
    """Where Django reads them."""
    return po_path(language, domain).with_suffix(".mo")


def written(language: str, domain: str) -> Catalog:
    """What stands in the ``.po``."""
    with po_path(language, domain).open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def key(message: Message) -> tuple[str | None, str]:
    """Context and text, of a plural the singular: what gettext looks up."""
    text = message.id if isinstance(message.id, str) else message.id[0]
    return message.context, text


def messages(catalog: Catalog) -> dict[tuple[str | None, str], Message]:
    """By ``key``, without the header."""
    return {key(message): message for message in catalog if message.id}


def update(language: str, domain: str) -> list[str]:
    """Bring a catalog up to date and compile it.

    Returns:
        What is still to be translated.
    """
    known = messages(written(language, domain))
    fresh = collected(language, domain)
    for name, message in messages(fresh).items():
        old = known.get(name)
        if old and type(old.id) is type(message.id):
            message.string = old.string
            message.user_comments = old.user_comments
    body = io.BytesIO()
    write_po(
        body, fresh, omit_header=True, sort_output=True, include_lineno=False, width=88
    )
    head = _HEADER.format(language=language, plural_forms=fresh.plural_forms)
    po_path(language, domain).write_text(head + body.getvalue().decode())
    compiled = written(language, domain)
    # A date in the file would make another file of it each time.
    compiled.creation_date = compiled.revision_date = _NO_DATE
    with mo_path(language, domain).open("wb") as file:
        write_mo(file, compiled)
    return [name[1] for name, message in messages(fresh).items() if not done(message)]


def done(message: Message) -> bool:
    """Whether every form of it is translated."""
    if isinstance(message.string, str):
        return bool(message.string)
    return bool(message.string) and all(message.string)


def _sources() -> Iterator[tuple[str, str]]:
    """Place and text of all that may hold messages, templates as if they were code."""
    for path in sorted((ROOT / "dashboard").rglob("*.py")):
        if "migrations" not in path.parts:
            yield str(path.relative_to(ROOT)), path.read_text()
    for path in sorted((ROOT / "templates").rglob("*.*")):
        code = templatize(path.read_text(), origin=str(path))
        # Indented as HTML is, it is no Python.
        lines = (line.strip() for line in code.splitlines())
        yield str(path.relative_to(ROOT)), re.sub(r"\\\n", "\n", "\n".join(lines))


def _scripts() -> Iterator[tuple[str, str]]:
    """Place and text of our own scripts."""
    for path in sorted((ROOT / "static").glob("*.js")):
        yield str(path.relative_to(ROOT)), path.read_text()


if __name__ == "__main__":
    for each, of_domain in product(LANGUAGES, DOMAINS):
        missing = update(each, of_domain)
        sys.stdout.write(f"{each}, {of_domain}: {len(missing)} to be translated\n")
        for text in missing:
            sys.stdout.write(f"  {text}\n")
