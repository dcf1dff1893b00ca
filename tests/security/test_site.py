"""What a site on the internet says, with the settings that it has there."""

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from dashboard.instances.models import Instance
from dashboard.ops.managed_process import PROJECT

ASK = """
import json
from django.conf import settings
from django.contrib.auth.hashers import get_hasher
from django.test import Client

# Nobody has collected the files here, and none is asked for.
plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
settings.STORAGES = {"staticfiles": plain}
client = Client(headers={"Host": "curfew.example.org"})
page = client.get("/accounts/login/", secure=True)
hasher = get_hasher()
print(json.dumps({
    "headers": dict(page.headers),
    "cookies": {name: cookie.OutputString() for name, cookie in page.cookies.items()},
    "session": [
        settings.SESSION_COOKIE_NAME, settings.SESSION_COOKIE_SECURE,
        settings.SESSION_COOKIE_HTTPONLY, settings.SESSION_COOKIE_SAMESITE,
        settings.SESSION_COOKIE_PATH, settings.SESSION_COOKIE_DOMAIN,
    ],
    "plain": {
        path: [answer.status_code, answer.headers.get("Location")]
        for path in ("/instances/", "/accounts/login/", "/healthz")
        for answer in [client.get(path)]
    },
    "hasher": [hasher.algorithm, getattr(hasher, "iterations", 0)],
}))
"""


SITE = {
    "CURFEW_SECRET_KEY": "0123456789abcdef" * 4,
    "CURFEW_REDIS_URL": "redis://:secret@127.0.0.1:1/0",
    "CURFEW_DATABASE_URL": "sqlite:///:memory:",
    "CURFEW_ALLOWED_HOSTS": "curfew.example.org,localhost",
    "CURFEW_TRUSTED_PROXIES": "1",
}


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"]} | SITE | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def ask(**environment: str) -> Any:
    """Answers and settings of a site behind a proxy."""
    ended = manage("shell", "--no-imports", "--command", ASK, **environment)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def site() -> Any:
    return ask()


@pytest.fixture(scope="module")
def site_below_a_path() -> Any:
    return ask(CURFEW_URL="https://curfew.example.org/tools/curfew/")


@pytest.mark.parametrize(
    "mail",
    [
        {},
        {
            "CURFEW_MAIL_URL": "smtp://u:p@mail.example.org",
            "CURFEW_MAIL_FROM": "curfew@example.org",
        },
    ],
    ids=["no mail", "mail"],
)
def test_django_s_own_check_finds_nothing(mail: dict[str, str]) -> None:
    ended = manage("check", "--deploy", "--fail-level", "DEBUG", **mail)
    assert ended.returncode == 0, ended.stderr
    # W040 is said of each index of the instances on SQLite.
    covering = len(Instance._meta.indexes)
    assert f"no issues ({1 + covering} silenced)" in ended.stdout


def test_the_check_would_find_something() -> None:
    ended = manage("check", "--deploy", CURFEW_HTTPS="false", CURFEW_DEBUG="true")
    assert {"security.W018", "security.W012", "security.W004"} <= set(
        re.findall(r"security\.W\d+", ended.stderr)
    )


def test_cookies_and_headers_of_a_site(site: Any) -> None:
    told = site["headers"]["Strict-Transport-Security"]
    assert told == "max-age=31536000; includeSubDomains"
    (cookie,) = site["cookies"].values()
    assert cookie.startswith("__Host-csrftoken=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert site["session"] == ["__Host-sessionid", True, True, "Lax", "/", None]


def test_only_people_are_sent_to_https(site: Any) -> None:
    home = "https://curfew.example.org"
    assert site["plain"] == {
        "/instances/": [301, f"{home}/instances/"],
        "/accounts/login/": [301, f"{home}/accounts/login/"],
        "/healthz": [200, None],
    }


def test_below_a_path_other_applications_do_not_get_the_cookies(
    site_below_a_path: Any,
) -> None:
    prefix = "/tools/curfew"
    (cookie,) = site_below_a_path["cookies"].values()
    # Browsers accept "__Host-" for all paths of a host only.
    assert cookie.startswith("__Secure-csrftoken=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", f"Path={prefix}"} <= set(
        cookie.split("; ")
    )
    name, *_, path, domain = site_below_a_path["session"]
    assert (name, path, domain) == ("__Secure-sessionid", prefix, None)


def test_below_a_path_too_only_people_are_sent_to_https(site_below_a_path: Any) -> None:
    home = "https://curfew.example.org/tools/curfew"
    assert site_below_a_path["plain"] == {
        "/instances/": [301, f"{home}/instances/"],
        "/accounts/login/": [301, f"{home}/accounts/login/"],
        "/healthz": [200, None],
    }


def test_passwords_are_hashed_as_they_should_be(site: Any) -> None:
    algorithm, iterations = site["hasher"]
    assert algorithm == "pbkdf2_sha256"
    assert iterations >= 600_000
