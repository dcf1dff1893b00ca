"""Fixed texts of templates: looked up once, in each language and way of escaping."""

import pytest
from django.template import Context, Template
from django.utils.translation import override

from dashboard.web.templatetags.fixed_texts import FixedText


def test_each_language_has_its_own() -> None:
    page = Template('{% translate "Save" %}')
    assert isinstance(page.nodelist[0], FixedText)
    for _ in range(2):
        with override("de"):
            assert page.render(Context()) == "Speichern"
        with override("en"):
            assert page.render(Context()) == "Save"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{% translate "A <b> & 50%" %}', "A <b> & 50%"),
        ('{% translate "Save" noop %}', "Save"),
        ('{% translate "Save" as text %}[{{ text }}]', "[Save]"),
        ('{% translate "Save" context "ledger" %}', "Save"),
        ('{% translate "Save"|upper %}', "SAVE"),
    ],
)
def test_as_django_renders_it(source: str, expected: str) -> None:
    assert Template(source).render(Context()) == expected


def test_what_varies_is_looked_up_each_time() -> None:
    page = Template("{% translate word %}")
    assert [page.render(Context({"word": word})) for word in "ab"] == ["a", "b"]
