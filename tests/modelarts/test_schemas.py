import json
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from dashboard.modelarts import json_reader, schemas
from dashboard.modelarts.limits import description_problems
from dashboard.modelarts.requests import AutoStopChange, UpdateInstanceRequest
from dashboard.modelarts.statuses import FAILED, STARTABLE, STOPPABLE, TRANSITIONAL

CANARY = "CANARY-SECRET"


def instance_of(**members: Any) -> schemas.Instance:
    return schemas.Instance.model_validate({"id": "DE-1"} | members)


def test_numbers_may_be_strings_and_strings_numbers() -> None:
    read = instance_of(
        id=17,
        name=5,
        creation_timestamp="1594887749962",
        latest_update_timestamp=1594888143062,
        spec={"auto_stop": {"duration": "3600", "enable": "TRUE", "prompt": 0}},
    )
    assert (read.id, read.name) == ("17", "5")
    assert read.creation_timestamp == 1594887749962
    assert read.latest_update_timestamp == 1594888143062
    assert read.spec is not None
    assert read.spec.auto_stop == schemas.AutoStop(
        duration=3600, enable=True, prompt=False
    )
    assert read.problems == []


def test_unknown_members_and_statuses_pass() -> None:
    read = instance_of(status="HIBERNATING", invented={"a": 1}, spec=None)
    assert read.status == "HIBERNATING"
    assert "invented" not in read.document()
    assert read.problems == []


def test_a_member_of_the_wrong_type_is_recorded_and_omitted() -> None:
    read = instance_of(
        name=["no"],
        creation_timestamp="yesterday",
        user={"id": {"a": 1}, "name": "anna"},
        spec={
            "auto_stop": {"duration": True, "stop_timestamp": 10**18, "enable": "ja"},
            "storage": "evs",
            "annotations": {"url": "https://x", "odd": {"a": 1}},
        },
        flavor_details={"storage_list": "obs", "instance_num": 2**63},
    )
    assert read.user == schemas.User(name="anna")
    assert read.spec is not None
    assert read.spec.annotations == {"url": "https://x"}
    assert sorted(read.problems) == [
        "creation_timestamp",
        "flavor_details.instance_num",
        "flavor_details.storage_list",
        "name",
        "spec.annotations.odd",
        "spec.auto_stop.duration",
        "spec.auto_stop.enable",
        "spec.auto_stop.stop_timestamp",
        "spec.storage",
        "user.id",
    ]


@pytest.mark.parametrize(
    ("storages", "read", "problems"),
    [
        (
            [{"type": []}, {"type": "evs"}],
            [schemas.Storage(), schemas.Storage(type="evs")],
            ["spec.extend_storage.type"],
        ),
        (["evs", {"type": []}], None, ["spec.extend_storage"]),
        (
            [{"type": []}, "evs"],
            None,
            ["spec.extend_storage", "spec.extend_storage.type"],
        ),
    ],
)
def test_a_list_is_kept_if_each_element_can_be_read(
    storages: list[Any], read: list[schemas.Storage] | None, problems: list[str]
) -> None:
    instance = instance_of(spec={"extend_storage": storages})
    assert instance.spec is not None
    assert instance.spec.extend_storage == read
    assert sorted(instance.problems) == problems


def test_an_answer_cannot_set_problems() -> None:
    assert instance_of(problems=["made up"], _problems=["made up"]).problems == []


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "DE-1",
        {},
        {"id": None},
        {"id": ""},
        {"id": True},
        {"id": {}},
        {"id": "a/b"},
        {"id": ".."},
        {"id": "a\nb"},
        {"id": " a"},
        {"id": "x" * 129},
    ],
)
def test_a_document_without_a_usable_id_is_refused(document: Any) -> None:
    with pytest.raises(ValidationError):
        schemas.Instance.model_validate(document)


def test_secrets_are_removed() -> None:
    secret = {"ssh_private_key": CANARY, "access_token": CANARY}
    address = f"https://me:{CANARY}@git.example.com/x?token={CANARY}"
    repository = {
        "id": "r",
        "user_email": CANARY,
        "connection_info": {
            "url": address,
            "credential": secret,
        },
    }
    free = {"ak": CANARY, "obs_sk": CANARY, "userToken": CANARY, "kept": "yes"}
    read = instance_of(
        credential=secret,
        token=CANARY,
        repository=repository,
        spec={
            "credential": secret,
            "repository": repository,
            "annotations": free | {"url": f"https://h/?access_token={CANARY}"},
            "extend_params": free,
            "failed_reasons": {"detail": free, "message": f"no way to {address}"},
            "log_path": address,
            "storage": {"location": {"path": address}},
        },
        profile={"labels": free, "provision": {"annotations": free}},
        flavor_details={
            "params": free | {"nested": {"password": CANARY, "at": [address]}}
        },
    )
    assert CANARY not in repr(read)
    assert CANARY not in json.dumps(read.document())
    assert read.spec is not None
    assert read.spec.extend_params == {"kept": "yes"}
    assert read.flavor_details is not None
    assert read.flavor_details.params == {
        "kept": "yes",
        "nested": {"at": ["https://git.example.com/x?token="]},
    }


def test_a_stored_document_is_read_back_without_remain_time() -> None:
    stop = {"enable": True, "duration": 3600, "stop_timestamp": 1594891408723}
    first = instance_of(name="a", spec={"auto_stop": stop | {"remain_time": 10}})
    later = instance_of(name="a", spec={"auto_stop": stop | {"remain_time": 9}})
    assert first.document() == later.document()
    assert schemas.Instance.model_validate(first.document()).document() == (
        first.document()
    )


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "url", "auto_stop", "x"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(list(schemas.Instance.model_fields)), ANY_JSON))
def test_no_document_causes_another_error(members: dict[str, Any]) -> None:
    document = json_reader.read_json(
        json.dumps({"id": "DE-1"} | members | {"id": "x"}).encode()
    )
    read = schemas.Instance.model_validate(document)
    text = json.dumps(read.document(), ensure_ascii=False)
    assert "\x00" not in text
    assert text.encode()


class TestStatuses:
    def test_a_plain_string_is_in_its_group(self) -> None:
        assert "RUNNING" in STOPPABLE
        assert "STOPPED" in STARTABLE
        assert "NEW_ONE" not in TRANSITIONAL

    def test_the_groups_are_disjoint(self) -> None:
        assert not TRANSITIONAL & (FAILED | STARTABLE | STOPPABLE)
        assert not STARTABLE & STOPPABLE


class TestDescription:
    @given(st.text(max_size=600))
    def test_request_and_predicate_agree(self, text: str) -> None:
        fine = (
            len(text) <= 512
            and not any(mark in "&<>\"'/" for mark in text)
            and not any(
                (ord(mark) < 32 and mark not in "\n\r\t") or 127 <= ord(mark) < 160
                for mark in text
            )
            and not any(0xD800 <= ord(mark) < 0xE000 for mark in text)
        )
        assert (description_problems(text) == []) is fine
        if fine:
            request = UpdateInstanceRequest(description=text)
            assert request.body() == {"description": text}
        else:
            with pytest.raises(ValidationError):
                UpdateInstanceRequest(description=text)

    def test_the_messages_name_the_characters(self) -> None:
        sentences = " ".join(
            map(str, description_problems("a&b/" + "\x00" + "x" * 512))
        )
        for offender in ("& /", "U+0000", "517", "512"):
            assert offender in sentences

    def test_lookalikes_are_text(self) -> None:
        assert description_problems("\uff06 \uff1c \uff0f \U0001f600") == []

    def test_length_counts_code_points(self) -> None:
        assert description_problems("\U0001f600" * 512) == []
        assert description_problems("\U0001f600" * 513)


class TestUpdateRequest:
    def test_the_body_contains_only_set_values(self) -> None:
        change = AutoStopChange(enable=False)
        assert UpdateInstanceRequest(auto_stop=change).body() == {
            "spec": {"auto_stop": {"enable": False}}
        }
        change = AutoStopChange(enable=True, duration=5430, prompt=False)
        assert UpdateInstanceRequest(description="", auto_stop=change).body() == {
            "description": "",
            "spec": {"auto_stop": {"enable": True, "duration": 5430, "prompt": False}},
        }

    @pytest.mark.parametrize("duration", [3_599, 86_401, -1, True, 3600.5, "3600"])
    def test_duration_out_of_range_is_refused(self, duration: Any) -> None:
        with pytest.raises(ValidationError):
            AutoStopChange(enable=True, duration=duration)

    def test_enable_needs_a_duration(self) -> None:
        with pytest.raises(ValidationError, match="run time"):
            AutoStopChange(enable=True)

    def test_nothing_to_change_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="Nothing to change"):
            UpdateInstanceRequest()
