"""The catalogs are complete, and what Django reads is what was written."""

import gettext
import re

import pytest
from babel.messages.catalog import Message

from . import messages
from .messages import LANGUAGES

_PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\}")
_TAG = re.compile(r"</?[a-z][^>]*>")


def forms(message: Message) -> list[tuple[str, str]]:
    """Original and translation, of a plural both forms."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    assert isinstance(message.string, (tuple, list))
    return list(zip(message.id, message.string, strict=True))


def test_there_is_a_language() -> None:
    assert LANGUAGES == ["de"]


@pytest.mark.parametrize("language", LANGUAGES)
class TestCatalog:
    def test_it_holds_the_messages_of_code_and_templates(self, language: str) -> None:
        there = messages.messages(messages.written(language))
        wanted = messages.messages(messages.collected(language))
        assert sorted(map(str, wanted.keys() - there.keys())) == [], (
            "run: python -m tests.translation.messages"
        )
        assert sorted(map(str, there.keys() - wanted.keys())) == []

    def test_all_are_translated(self, language: str) -> None:
        catalog = messages.messages(messages.written(language))
        assert len(catalog) > 1_000
        lacking = [name for name, one in catalog.items() if not messages.done(one)]
        assert lacking == []
        assert [name for name, one in catalog.items() if one.fuzzy] == []

    def test_placeholders_and_markup_agree(self, language: str) -> None:
        for message in messages.messages(messages.written(language)).values():
            for original, translation in forms(message):
                for pattern in (_PLACEHOLDER, _TAG):
                    expected = sorted(pattern.findall(original))
                    assert sorted(pattern.findall(translation)) == expected, original

    def test_blanks_at_the_ends_agree(self, language: str) -> None:
        for message in messages.messages(messages.written(language)).values():
            for original, translation in forms(message):
                assert translation.startswith(" ") == original.startswith(" ")
                assert translation.endswith(" ") == original.endswith(" ")

    def test_what_is_compiled_is_what_is_written(self, language: str) -> None:
        with messages.mo_path(language).open("rb") as file:
            compiled = gettext.GNUTranslations(file)
        read = {key: text for key, text in compiled._catalog.items() if key}
        expected: dict[object, str] = {}
        for message in messages.messages(messages.written(language)).values():
            for number, (_, translation) in enumerate(forms(message)):
                first = forms(message)[0][0]
                plural = isinstance(message.id, tuple)
                expected[(first, number) if plural else first] = translation
        assert read == expected
