import json

import pytest
from hypothesis import given, strategies as st

from dashboard.modelarts import json_reader

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@given(JSON)
def test_reads_back_what_json_writes(value: json_reader.Json) -> None:
    assert json_reader.read_json(json.dumps(value).encode()) == value


@given(st.binary())
def test_any_bytes_are_json_or_a_value_error(body: bytes) -> None:
    try:
        json_reader.read_json(body)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"[NaN, Infinity, -Infinity]", [None, None, None]),
        (b"[1e400, -1e400, 1.5]", [None, None, 1.5]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'"a\\u0000b\\ud800c"', "a\ufffdb\ufffdc"),
        (b'{"\\udfff\\u0000": 1}', {"\ufffd\ufffd": 1}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'\xef\xbb\xbf"mark"', "mark"),
        (b'"\xff"', "\ufffd"),
        (b"1" * 5_000, None),
    ],
)
def test_hostile_values_become_storable(body: bytes, value: json_reader.Json) -> None:
    assert json_reader.read_json(body) == value


@pytest.mark.parametrize("depth", [json_reader.MAX_DEPTH + 1, 5_000, 10_000, 200_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"x":', "}")])
def test_nesting_is_cut_and_the_rest_survives(
    depth: int, opening: str, closing: str
) -> None:
    deep = opening * depth + '"]}"' + closing * depth
    value = json_reader.read_json(
        f'{{"before": 1, "deep": {deep}, "after": 2}}'.encode()
    )
    assert isinstance(value, dict)
    assert (value["before"], value["after"]) == (1, 2)
    assert json.dumps(value)


def test_unbalanced_nesting_is_not_json() -> None:
    with pytest.raises(ValueError, match=r"."):
        json_reader.read_json(b"[" * 50_000)


@pytest.mark.parametrize(
    "key",
    [
        "credential",
        "access_token",
        "accessToken",
        "ssh_private_key",
        "sshKey",
        "ak",
        "SK",
        "my-ak",
        "ak_id",
        "password",
        "OBS_PASSWORD",
        "client-secret",
        "apiKey",
        "Authorization",
        "git.pat",
    ],
)
def test_secret_keys_are_known(key: str) -> None:
    assert json_reader.is_secret_key(key)


@pytest.mark.parametrize(
    "key", ["task", "disk", "url", "target_domain", "category", "sku", "make"]
)
def test_ordinary_keys_are_kept(key: str) -> None:
    assert not json_reader.is_secret_key(key)


def test_redact_reaches_every_depth() -> None:
    kept = json_reader.redact(
        {"a": [{"token": "x", "b": {"sk": "y", "c": 1}}], "ak": 2}
    )
    assert kept == {"a": [{"b": {"c": 1}}]}


@pytest.mark.parametrize(
    ("address", "redacted"),
    [
        ("https://me:pw@h/x", "https://h/x"),
        ("https://token@h:1/x?a=b", "https://h:1/x?a=b"),
        ("https://h/?token=abc&a=b&SK=c#access_token=d", None),
        ("https://h/user@example.com", "https://h/user@example.com"),
    ],
)
def test_addresses_lose_their_secrets(address: str, redacted: str | None) -> None:
    redacted = redacted or "https://h/?token=&a=b&SK=#access_token="
    assert json_reader.redact_address(address) == redacted
