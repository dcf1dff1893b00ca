"""An authenticator app and passkeys, under the strict content policy."""

import re
import time

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page, expect

from .conftest import Demo, SignIn

pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.timeout(120)]

PASSWORD = "correct horse battery"


def with_key(page: Page) -> None:
    """Plug a key into the browser that has seen its owner's finger."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def confirm(page: Page) -> None:
    """Show once more who one is."""
    expect(page.get_by_role("heading", name="Confirm your identity")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_passkey_replaces_the_password(
    page: Page, demo: Demo, complaints: list[str]
) -> None:
    demo.add_person("petra", "viewer", PASSWORD)
    # Browsers take no passkeys on an IP address.
    home = demo.url.replace("127.0.0.1", "localhost")
    with_key(page)
    page.goto(f"{home}/accounts/login/?next=/accounts/2fa/webauthn/add/")
    page.locator("[name=login]").fill("petra")
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    confirm(page)
    page.get_by_role("textbox", name="Name").fill("Laptop")
    page.get_by_label("Sign in with this passkey alone").check()
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url(f"{home}/instances/")
    expect(page.locator(".person")).to_contain_text("petra")
    page.goto(f"{home}/accounts/2fa/webauthn/")
    expect(page.locator("li strong")).to_have_text("Laptop")
    expect(page.get_by_text("Used instead of the password")).to_be_visible()


def test_a_passkey_is_not_offered_where_it_cannot_work(
    page: Page, demo: Demo, complaints: list[str]
) -> None:
    page.goto("/accounts/login/")
    expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_hidden()


def test_an_app_is_asked_for_after_the_password(
    page: Page, sign_in: SignIn, demo: Demo
) -> None:
    demo.add_person("anton", "operator", PASSWORD)
    page = sign_in("anton", PASSWORD)
    page.goto("/accounts/2fa/totp/activate/")
    confirm(page)
    expect(page.locator(".qr svg")).to_be_visible()
    page.get_by_text("Can't scan the code?").click()
    secret = page.locator("code.copyable").inner_text()
    assert re.fullmatch(r"[A-Z2-7]{16,}", secret)

    def code(steps: int) -> str:
        shown: str = format_hotp_value(
            hotp_value(secret, int(time.time()) // 30 + steps)
        )
        return shown

    page.get_by_label("Enter the 6-digit code").fill(code(0))
    page.get_by_role("button", name="Turn on").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    sign_out(page)
    page.locator("[name=login]").fill("anton")
    page.locator("[name=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    # A code counts once; the next one is good already, and still after a slow page.
    page.get_by_label("Authenticator code").fill(code(1))
    page.keyboard.press("Enter")
    page.wait_for_url("/instances/")
