"""The rules of field by field, without a database."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from dashboard.edits import merge
from dashboard.edits.delivery import calls
from dashboard.edits.models import Edit
from dashboard.modelarts import schemas
from dashboard.modelarts.errors import UnclearError

NOW = {
    "description": "old",
    "auto_stop_enable": True,
    "auto_stop_duration": 3600,
    "auto_stop_prompt": True,
}
_numbers = itertools.count(1)


def edit(patch: dict[str, Any], base: dict[str, Any] | None = None) -> Edit:
    base = {name: NOW[name] for name in patch} if base is None else base
    return Edit(seq=next(_numbers), patch=patch, base=base)


def power(kind: str) -> Edit:
    return Edit(seq=next(_numbers), kind=kind)


def test_unchanged_since_it_was_seen_is_sent() -> None:
    result = merge.merge([edit({"description": "new"})], NOW, [])
    assert result.send == {"description": "new"}
    assert not result.conflicts


def test_already_as_requested_needs_nothing_whatever_was_seen() -> None:
    change = edit({"description": "old"}, {"description": "long ago"})
    result = merge.merge([change], NOW, [])
    assert result.send == {}
    assert not result.conflicts


def test_changed_by_a_stranger_is_a_conflict() -> None:
    change = edit({"description": "new"}, {"description": "as I saw it"})
    result = merge.merge([change], NOW, [])
    assert result.send == {}
    assert result.conflicts[change] == [
        merge.Difference("description", "as I saw it", "old", "new")
    ]


def test_a_value_of_our_own_earlier_edit_is_no_stranger() -> None:
    earlier = edit({"description": "old"}, {"description": "older"})
    change = edit({"description": "new"}, {"description": "older"})
    assert merge.merge([change], NOW, [earlier]).send == {"description": "new"}


def test_the_value_before_an_edit_that_never_landed_is_no_stranger() -> None:
    failed = edit({"description": "failed change"}, {"description": "old"})
    change = edit({"description": "new"}, {"description": "failed change"})
    assert merge.merge([change], NOW, [failed]).send == {"description": "new"}


def test_one_conflict_does_not_stop_an_edit_of_other_fields() -> None:
    lost = edit({"description": "new"}, {"description": "as I saw it"})
    fine = edit({"auto_stop_duration": 7200})
    result = merge.merge([lost, fine], NOW, [])
    assert result.send == {"auto_stop_duration": 7200}
    assert set(result.conflicts) == {lost}


def test_of_one_field_the_newest_edit_counts() -> None:
    first = edit({"description": "first", "auto_stop_duration": 7200})
    second = edit({"description": "second"}, {"description": "first"})
    result = merge.merge([first, second], NOW, [])
    assert result.send == {"description": "second", "auto_stop_duration": 7200}


def test_superseded_only_when_every_field_is_requested_anew() -> None:
    both = edit({"description": "a", "auto_stop_duration": 7200})
    one = edit({"description": "b"})
    other = edit({"auto_stop_duration": 10800})
    assert merge.superseded([both, one]) == {}
    assert merge.superseded([both, one, other]) == {both: other}


def test_a_later_switch_supersedes_an_earlier_one() -> None:
    start, stop = power("start"), power("stop")
    assert merge.superseded([start, stop]) == {start: stop}


def test_a_start_is_a_border_between_changes() -> None:
    before, start, after = edit({"description": "a"}), power("start"), edit({})
    assert merge.of_one_kind([before, start, after]) == [before]
    assert merge.of_one_kind([start, after]) == [start]


@pytest.mark.parametrize(
    ("send", "body"),
    [
        ({"description": "new"}, {"description": "new"}),
        ({"description": ""}, {"description": ""}),
        (
            {"auto_stop_duration": 7200},
            {"spec": {"auto_stop": {"enable": True, "duration": 7200}}},
        ),
        ({"auto_stop_enable": False}, {"spec": {"auto_stop": {"enable": False}}}),
        (
            {"auto_stop_prompt": False},
            {
                "spec": {
                    "auto_stop": {"enable": True, "duration": 3600, "prompt": False}
                }
            },
        ),
    ],
)
def test_only_what_changes_is_sent_and_enable_always(
    send: dict[str, Any], body: dict[str, Any]
) -> None:
    assert calls.update_request(send, NOW).body() == body


@pytest.mark.parametrize(
    "send", [{"auto_stop_duration": 7200}, {"auto_stop_prompt": False}]
)
def test_nothing_is_sent_while_nobody_knows_whether_auto_stop_is_on(
    send: dict[str, Any],
) -> None:
    unknown = NOW | {"auto_stop_enable": None}
    with pytest.raises(UnclearError):
        calls.update_request(send, unknown)
    on = send | {"auto_stop_enable": True, "auto_stop_duration": 7200}
    assert calls.update_request(on, unknown).body()["spec"]["auto_stop"]["enable"]


def test_switching_on_takes_the_duration_the_cloud_remembers() -> None:
    now = NOW | {"auto_stop_enable": False, "auto_stop_duration": 5000}
    assert calls.update_request({"auto_stop_enable": True}, now).body() == {
        "spec": {"auto_stop": {"enable": True, "duration": 5000}}
    }


def test_cloud_values_of_an_answer_without_spec_are_unknown() -> None:
    values = merge.cloud_values(schemas.Instance(id="DE-1", description="text"))
    assert values == {
        "description": "text",
        "auto_stop_enable": None,
        "auto_stop_duration": None,
        "auto_stop_prompt": None,
    }


_patches = st.fixed_dictionaries(
    {},
    optional={
        "description": st.sampled_from(["old", "a", "b"]),
        "auto_stop_enable": st.booleans(),
        "auto_stop_duration": st.sampled_from([3600, 7200]),
    },
).filter(bool)


# How fast inputs are drawn is a matter of how busy the machine is.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_patches, min_size=1, max_size=6))
def test_what_is_sent_leads_to_the_newest_change_for_every_field(
    patches: list[dict[str, Any]],
) -> None:
    """Whatever the order of the changes in a queue, each field's last value wins."""
    edits = []
    expected = dict(NOW)
    for patch in patches:
        edits.append(edit(patch, {name: expected[name] for name in patch}))
        expected |= patch
    gone = merge.superseded(edits)
    left = [one for one in edits if one not in gone]
    result = merge.merge(left, NOW, list(gone))
    assert not result.conflicts
    assert NOW | result.send == expected
