"""The profile that claims give."""

from typing import Any

import pytest

from dashboard.accounts.sso import RefusedError, profile_from_claims, values
from dashboard.config import Config


def config(**values: Any) -> Config:
    return Config.model_construct(**values)


@pytest.mark.parametrize(
    ("claims", "path", "found"),
    [
        ({"groups": ["a", "b"]}, "groups", ["a", "b"]),
        ({"groups": "a"}, "groups", ["a"]),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", ["a"]),
        ({"https://x.org/roles": ["a"]}, "https://x.org/roles", ["a"]),
        ({}, "groups", []),
        ({"groups": None}, "groups", []),
        ({"groups": [1, None, {"a": "b"}, "c"]}, "groups", ["c"]),
        ({"groups": {"admin": True}}, "groups", []),
        ({"realm_access": "admin"}, "realm_access.roles", []),
        ({"groups": True}, "groups", []),
    ],
)
def test_a_claim_s_texts(claims: dict[str, Any], path: str, found: list[str]) -> None:
    assert values(claims, path) == found


@pytest.mark.parametrize("groups", [["low", "high"], ["high", "low"]])
def test_the_greatest_role_counts(groups: list[str]) -> None:
    roles = {"low": "viewer", "high": "operator"}
    claims = {"preferred_username": "x", "groups": groups}
    assert profile_from_claims(claims, config(oidc_roles=roles)).role == "operator"


@pytest.mark.parametrize("name", [None, "", 7, ["x"]])
def test_no_name_no_entry(name: object) -> None:
    with pytest.raises(RefusedError):
        profile_from_claims({"preferred_username": name}, config())


@pytest.mark.parametrize(
    ("verified", "address", "taken"),
    [
        (True, "a@example.org", "a@example.org"),
        ("true", "a@example.org", ""),
        (None, "a@example.org", ""),
        (True, "no address", ""),
        (True, None, ""),
    ],
)
def test_only_verified_addresses(verified: object, address: object, taken: str) -> None:
    claims = {"preferred_username": "x", "email": address, "email_verified": verified}
    assert profile_from_claims(claims, config()).email == taken


def test_unconfigured_claims_set_nothing() -> None:
    profile = profile_from_claims(
        {"preferred_username": "x", "groups": ["a"]}, config()
    )
    assert (profile.role, profile.cloud_users) == (None, None)
