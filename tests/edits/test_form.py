"""The edit form: what is a change, and what is refused."""

from decimal import Decimal, InvalidOperation
from typing import Any

import pytest
from hypothesis import given, strategies as st

from dashboard.edits.forms import EditForm
from dashboard.edits.hours import hours_text
from dashboard.edits.snapshot import FormSnapshot, Settings

SETTINGS = Settings(
    description="Churn model",
    auto_stop_enable=True,
    auto_stop_duration=8 * 3600,
    auto_stop_prompt=True,
)


def _form(settings: Settings = SETTINGS, **posted: Any) -> EditForm:
    """The form as a browser would post it, with these fields typed over."""
    shown = EditForm(snapshot=FormSnapshot(settings, "n")).initial
    fields = shown | {"prompt_shown": "1"} | posted
    data = {
        name: "on" if value is True else value
        for name, value in fields.items()
        if value not in (False, None)
    }
    return EditForm(data, snapshot=FormSnapshot(settings, "n"))


def _with(**changes: Any) -> Settings:
    return Settings(**(SETTINGS.as_dict() | changes))


def _patch(settings: Settings = SETTINGS, **posted: Any) -> dict[str, Any]:
    form = _form(settings, **posted)
    assert form.is_valid(), form.errors
    return form.patch()


def test_an_untouched_form_changes_nothing() -> None:
    assert _patch() == {}


@pytest.mark.parametrize(
    ("posted", "patch"),
    [
        ({"description": "Second try"}, {"description": "Second try"}),
        ({"description": ""}, {"description": ""}),
        ({"description": " kept "}, {"description": " kept "}),
        ({"auto_stop_enable": False}, {"auto_stop_enable": False}),
        ({"auto_stop_hours": "4"}, {"auto_stop_duration": 14_400}),
        ({"auto_stop_hours": "4.5"}, {"auto_stop_duration": 16_200}),
        ({"auto_stop_hours": "4,5"}, {"auto_stop_duration": 16_200}),
        ({"auto_stop_hours": " 8.0 "}, {}),
        ({"prompt": False}, {"auto_stop_prompt": False}),
        ({"prompt": False, "prompt_shown": None}, {}),
    ],
)
def test_only_what_differs_is_requested(
    posted: dict[str, Any], patch: dict[str, Any]
) -> None:
    assert _patch(**posted) == patch


def test_line_breaks_of_the_browser_are_no_change() -> None:
    two_lines = _with(description="one\ntwo")
    assert _patch(two_lines, description="one\r\ntwo") == {}
    assert _patch(two_lines, description="one\r\ntwo\r\n") == {
        "description": "one\ntwo\n"
    }


@pytest.mark.parametrize("seconds", [5_000, 3_599, 3_601, 86_399, 1, 200_000])
def test_a_duration_off_the_grid_is_kept_exactly_until_it_is_moved(
    seconds: int,
) -> None:
    stored = _with(auto_stop_duration=seconds)
    assert _patch(stored) == {}
    assert _patch(stored, auto_stop_hours="3") == {"auto_stop_duration": 10_800}


def test_hours_near_an_odd_duration_are_a_change_of_their_own() -> None:
    assert hours_text(3_601) == "1.00"
    stored = _with(auto_stop_duration=3_601)
    assert _patch(stored, auto_stop_hours="1") == {"auto_stop_duration": 3_600}


@pytest.mark.parametrize("hours", ["", "abc", "0", "99"])
def test_the_hours_mean_nothing_while_the_switch_is_off(hours: str) -> None:
    switched_off = _patch(auto_stop_enable=False, auto_stop_hours=hours)
    assert switched_off == {"auto_stop_enable": False}


def test_switching_on_needs_hours_that_the_cloud_accepts() -> None:
    off = _with(auto_stop_enable=False, auto_stop_duration=200_000)
    assert "auto_stop_hours" in _form(off, auto_stop_enable=True).errors
    assert _patch(off, auto_stop_enable=True, auto_stop_hours="2") == {
        "auto_stop_enable": True,
        "auto_stop_duration": 7_200,
    }
    fine = _with(auto_stop_enable=False)
    assert _patch(fine, auto_stop_enable=True) == {"auto_stop_enable": True}


def test_fields_that_are_not_posted_are_left_alone() -> None:
    form = EditForm({"description": "Only words"}, snapshot=FormSnapshot(SETTINGS, "n"))
    assert form.is_valid()
    assert form.patch() == {"description": "Only words"}
    form = EditForm({"auto_stop_hours": "2"}, snapshot=FormSnapshot(SETTINGS, "n"))
    assert form.is_valid()
    assert form.patch() == {"auto_stop_enable": False}


def test_unknown_settings_are_not_switched_off_by_looking() -> None:
    unknown = Settings("", None, None, None)
    assert _patch(unknown) == {}
    assert _patch(unknown, auto_stop_enable=True, auto_stop_hours="1") == {
        "auto_stop_enable": True,
        "auto_stop_duration": 3_600,
    }


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ("", "Enter 1 to 24 hours."),
        ("soon", "“soon” is not a number of hours."),
        ("١٢", "is not a number of hours."),
        ("0.5", "0.5 h is too short"),
        ("24.5", "24.5 h is too long"),
        ("8.3", "8.3 h is not a step of half an hour."),
        ("-3", "is not a number of hours."),
        ("NaN", "is not a number of hours."),
        ("1e1", "is not a number of hours."),
    ],
)
def test_wrong_hours_are_named_in_plain_words(hours: str, words: str) -> None:
    errors = _form(auto_stop_hours=hours).errors["auto_stop_hours"]
    assert words in " ".join(errors)


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ("R&D / notes", "& /"),
        ("x" * 513, "513"),
        ("bell\x07", "U+0007"),
        ("null\x00", "Null characters"),
    ],
)
def test_a_wrong_description_is_named(description: str, words: str) -> None:
    errors = _form(description=description).errors["description"]
    assert words in " ".join(errors)


def test_what_the_cloud_already_holds_need_not_be_repaired() -> None:
    odd = _with(description="from elsewhere: <b> & " + "x" * 600)
    assert _patch(odd, auto_stop_hours="2") == {"auto_stop_duration": 7_200}


def _is_half_hour_step(text: str) -> bool:
    """The rule of the hours, said anew: by counting the steps there are."""
    try:
        number = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        return False
    return any(number == Decimal(step) / 2 for step in range(2, 49))


@given(
    st.one_of(
        st.from_regex(r"[0-9]{1,3}([.,][0-9]{0,3})?", fullmatch=True),
        st.integers(2, 48).map(lambda steps: str(Decimal(steps) / 2)),
        st.text(st.characters(exclude_characters="\x00"), max_size=6).filter(
            # Other spellings of numbers are refused on purpose.
            lambda text: (
                not any(mark in text for mark in "eE_+-")
                and text.isascii()
                and not text.strip().startswith((".", ","))
            )
        ),
    )
)
def test_hours_are_accepted_exactly_on_the_grid(text: str) -> None:
    stored = _with(auto_stop_duration=5_000)
    form = _form(stored, auto_stop_hours=text)
    if text.strip() == "1.39":
        assert form.is_valid()
        return
    assert form.is_valid() == _is_half_hour_step(text)
    if form.is_valid():
        hours = Decimal(text.strip().replace(",", "."))
        assert form.patch() == {"auto_stop_duration": int(hours * 3600)}


def _may_be_sent(text: str) -> bool:
    """The rule of table 3, said anew: by what each character is allowed to be."""
    if len(text) > 512:
        return False
    return all(
        mark in "\n\t" or (mark >= " " and mark not in "&<>\"'/") for mark in text
    )


@given(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
        st.text(st.sampled_from("ab&<>\"'/\n\t\x07日é😀"), max_size=20),
        st.integers(500, 520).map(lambda length: "😀" * length),
    )
)
def test_descriptions_are_accepted_exactly_by_the_documented_rule(text: str) -> None:
    assert _form(description=text).is_valid() == _may_be_sent(text)


@given(st.integers(0, 10**6))
def test_no_duration_is_changed_by_opening_and_saving(seconds: int) -> None:
    assert _patch(_with(auto_stop_duration=seconds)) == {}


def test_a_form_opened_again_holds_what_was_typed_and_leaves_the_rest_alone() -> None:
    """The settings moved on, but only the description was mine."""
    now = _with(description="theirs", auto_stop_duration=3_600)
    form = EditForm(snapshot=FormSnapshot(now, "n"), changes={"description": "mine"})
    assert form["description"].value() == "mine"
    assert form["auto_stop_hours"].value() == "1"
    again = {name: form[name].value() for name in ("description", "auto_stop_hours")}
    assert _patch(now, **again) == {"description": "mine"}


@pytest.mark.parametrize(
    ("hours", "words"),
    [("8.5", "8 h 30 min"), ("1", "1 h"), ("1.39", "1 h 23 min 20 s"), ("?", "")],
)
def test_the_next_run_is_told_in_words(hours: str, words: str) -> None:
    form = _form(_with(auto_stop_duration=5_000), auto_stop_hours=hours)
    assert form.next_run == words


def test_every_step_of_the_slider_has_its_words() -> None:
    steps = dict(EditForm.limits.hours)
    assert len(steps) == 47
    assert steps["1.5"] == "1 h 30 min"
    assert not _form().stored_off_grid
    assert _form(_with(auto_stop_duration=5_000)).stored_off_grid
    assert not _form(_with(auto_stop_duration=None)).stored_off_grid
