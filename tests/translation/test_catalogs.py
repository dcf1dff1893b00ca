"""The catalogs are complete, and what Django reads is what was written."""

import gettext
import re

import pytest
from babel.messages.catalog import Message

from . import messages
from .messages import DOMAINS, LANGUAGES

_PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\}")
_TAG = re.compile(r"</?[a-z][^>]*>")
_WIDE = "\uff0c\u3002\uff1a\uff1b\uff08\uff09"


def forms(message: Message) -> list[tuple[str, str]]:
    """Original and translation, of a plural each form that the language has."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    assert isinstance(message.string, (tuple, list))
    # Chinese has one form, which stands for any number.
    originals = message.id[-len(message.string) :]
    return list(zip(originals, message.string, strict=True))


def test_there_is_a_language() -> None:
    assert LANGUAGES == ["de", "zh_Hans"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_and_scripts_translate_a_message_alike(language: str) -> None:
    pages, scripts = (
        messages.messages(messages.written(language, domain)) for domain in DOMAINS
    )
    shared = pages.keys() & scripts.keys()
    assert (None, "%(h)s h %(min)s min") in shared
    assert {name: pages[name].string for name in shared} == {
        name: scripts[name].string for name in shared
    }


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("domain", DOMAINS)
class TestCatalog:
    def test_it_has_the_messages_of_its_sources(
        self, language: str, domain: str
    ) -> None:
        there = messages.messages(messages.written(language, domain))
        wanted = messages.messages(messages.collected(language, domain))
        assert sorted(map(str, wanted.keys() - there.keys())) == [], (
            "run: python -m tests.translation.messages"
        )
        assert sorted(map(str, there.keys() - wanted.keys())) == []

    def test_all_are_translated(self, language: str, domain: str) -> None:
        catalog = messages.messages(messages.written(language, domain))
        assert len(catalog) > {"django": 1_000, "djangojs": 40}[domain]
        lacking = [name for name, one in catalog.items() if not messages.done(one)]
        assert lacking == []
        assert [name for name, one in catalog.items() if one.fuzzy] == []

    def test_placeholders_and_markup_agree(self, language: str, domain: str) -> None:
        for message in messages.messages(messages.written(language, domain)).values():
            for original, translation in forms(message):
                for pattern in (_PLACEHOLDER, _TAG):
                    expected = sorted(pattern.findall(original))
                    assert sorted(pattern.findall(translation)) == expected, original

    def test_blanks_at_the_ends_agree(self, language: str, domain: str) -> None:
        for message in messages.messages(messages.written(language, domain)).values():
            for original, translation in forms(message):
                # A full-width sign brings its own: it must not have another.
                first, last = translation[0] in _WIDE, translation[-1] in _WIDE
                expected = original.startswith(" ") and not first
                assert translation.startswith(" ") == expected, original
                assert translation.endswith(" ") == (
                    original.endswith(" ") and not last
                ), original

    def test_what_is_compiled_is_what_is_written(
        self, language: str, domain: str
    ) -> None:
        with messages.mo_path(language, domain).open("rb") as file:
            compiled = gettext.GNUTranslations(file)
        read = {key: text for key, text in compiled._catalog.items() if key}
        expected: dict[object, str] = {}
        for message in messages.messages(messages.written(language, domain)).values():
            for number, (_, translation) in enumerate(forms(message)):
                plural = isinstance(message.id, tuple)
                first = message.id[0] if plural else message.id
                if message.context:
                    first = f"{message.context}\x04{first}"
                expected[(first, number) if plural else first] = translation
        assert read == expected
