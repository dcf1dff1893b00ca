"""A token from the page opens the API, until it is revoked there."""

import httpx
import pytest

from .conftest import Demo, SignIn
from .places import create_token

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(300)]


def test_made_used_and_revoked(sign_in: SignIn, demo: Demo) -> None:
    page = sign_in("vera")
    page.goto("/accounts/tokens/")
    secret = create_token(page, "browser")
    bearer = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=demo.url, headers=bearer, trust_env=False) as client:
        told = client.get("/api/v1/me").json()
        assert (told["username"], told["role"]) == ("vera", "viewer")
        page.goto("/accounts/tokens/")
        page.get_by_role("button", name="Revoke browser").click()
        page.get_by_text("” revoked.").wait_for()
        assert client.get("/api/v1/me").status_code == 401
