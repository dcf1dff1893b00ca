"""Messages stored as a code with parameters."""

import json

import pytest
from django.db import connection
from django.template import Context, Template
from django.utils.translation import gettext_lazy, ngettext_lazy, override

from dashboard.web.stored_messages import (
    Message,
    MessageField,
    define,
    sentences,
    verbatim,
)

NOT_SAVED = define("tests.not_saved", gettext_lazy("Not saved."))
WAITS = define("tests.waits", "%(name)s waits: %(why)s")
NUMBER = define(
    "tests.number",
    ngettext_lazy("%(number)s instance", "%(number)s instances", "number"),
)


def test_it_is_put_into_the_language_that_is_active_when_it_is_shown() -> None:
    message = NOT_SAVED()
    assert str(message) == "Not saved."
    with override("de"):
        assert str(message) != "Not saved."


def test_what_is_stored_is_read_back_with_the_messages_among_its_values() -> None:
    message = WAITS(name="a", why=sentences(NOT_SAVED(), NUMBER(number=2)))
    stored = json.loads(json.dumps(message.to_json()))
    assert Message.from_json(stored) == message
    assert str(Message.from_json(stored)) == "a waits: Not saved. 2 instances"


@pytest.mark.parametrize(("number", "text"), [(1, "1 instance"), (3, "3 instances")])
def test_a_plural_follows_its_number(number: int, text: str) -> None:
    assert str(NUMBER(number=number)) == text


def test_a_list_is_shown_with_commas() -> None:
    assert str(WAITS(name=["a", NOT_SAVED()], why="b")) == "a, Not saved. waits: b"


def test_a_function_makes_the_text_of_the_values_as_they_are() -> None:
    listed = define("tests.listed", lambda names, last: f"{names[0]}{last}")
    assert str(WAITS(name=listed(names=["a", "b"], last=3), why="c")) == "a3 waits: c"


def test_no_message_is_false_and_empty() -> None:
    for none in (Message(), verbatim(""), sentences(), sentences(Message())):
        assert not none
        assert str(none) == ""
        assert none.to_json() == {}


def test_a_code_that_nobody_defines_is_shown_as_it_is() -> None:
    assert str(Message("gone.away", {"name": "x"})) == "gone.away"


def test_a_code_is_defined_once() -> None:
    with pytest.raises(ValueError, match=r"tests\.waits is defined twice"):
        define("tests.waits", "")


def test_equal_messages_are_one_key() -> None:
    assert len({WAITS(name="a", why="b"), WAITS(why="b", name="a")}) == 1


def test_a_page_escapes_its_values() -> None:
    page = Template("{% if message %}{{ message }}{% endif %}")
    text = page.render(Context({"message": verbatim("<b>100 %(s)</b>")}))
    assert text == "&lt;b&gt;100 %(s)&lt;/b&gt;"


def test_a_field_stores_it_as_json() -> None:
    field, message = MessageField(), WAITS(name="a", why=verbatim("b"))
    stored = json.dumps(field.get_prep_value(message))
    assert field.from_db_value(stored, None, connection) == message
    assert field.to_python(json.loads(stored)) == message
    assert field.get_default() == Message()


@pytest.mark.parametrize("message", [WAITS(name="a"), NUMBER()])
def test_a_message_without_a_value_of_its_template_shows_its_code(
    message: Message,
) -> None:
    assert str(message) == message.code
