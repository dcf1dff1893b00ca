"""What no site may run with: each has its sentence, and ``run`` does not start."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from dashboard.config import Config
from dashboard.ops.managed_process import PROJECT
from dashboard.system.production import unsafe_settings

HOME: dict[str, Any] = {
    "secret_key": "0123456789abcdef" * 4,
    "database_url": "sqlite:///:memory:",
    "redis_url": "redis://127.0.0.1:6379/0",
    "allowed_hosts": ["localhost", "127.0.0.1", "[::1]"],
}
SITE = HOME | {
    "allowed_hosts": ["curfew.example.org"],
    "redis_url": "rediss://:secret@redis.example:6379/0",
    "trusted_proxies": 1,
}


@pytest.fixture(autouse=True)
def _no_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))


def test_at_home_everything_goes() -> None:
    home = Config(**HOME, debug=True)
    assert not home.uses_https
    assert not list(unsafe_settings(home))


def test_a_site_that_is_in_order() -> None:
    site = Config(**SITE)
    assert site.uses_https
    assert not list(unsafe_settings(site, host="192.0.2.1"))


@pytest.mark.parametrize(
    ("held", "host", "told"),
    [
        (SITE | {"debug": True}, "localhost", "CURFEW_DEBUG is on"),
        (HOME | {"debug": True}, "192.0.2.1", "CURFEW_DEBUG is on"),
        (SITE | {"allowed_hosts": ["*"], "debug": True}, "::1", "CURFEW_DEBUG is on"),
        (SITE | {"redis_url": "redis://redis:6379/0"}, "localhost", "no password"),
        (SITE | {"trusted_proxies": 0}, "localhost", "CURFEW_TRUSTED_PROXIES"),
        (SITE | {"allowed_hosts": ["*"]}, "192.0.2.1", "CURFEW_ALLOWED_HOSTS"),
    ],
)
def test_each_has_its_sentence(held: dict[str, Any], host: str, told: str) -> None:
    (sentence,) = map(str, unsafe_settings(Config(**held), host=host))
    assert told in sentence
    assert "secret" not in sentence


CLOUD = """
clouds:
  lab:
    auth: {{auth_url: "{auth_url}", username: u, password: p, user_domain_name: d,
           project_id: a}}
    modelartsv1_endpoint_override: {endpoint}
    {more}
"""
HTTPS = "https://cloud.example"
HTTP = "http://cloud.example"


@pytest.mark.parametrize(
    ("auth_url", "endpoint", "more", "refused"),
    [
        (HTTPS, HTTPS, "", False),
        (HTTPS, HTTP, "", True),
        (HTTP, HTTPS, "", True),
        (HTTP, HTTP, "allow_http: true", False),
        ("http://127.0.0.1:1/v3", "http://localhost:1", "", False),
    ],
)
def test_clouds_in_clear(
    tmp_path: Path, auth_url: str, endpoint: str, more: str, refused: bool
) -> None:
    text = CLOUD.format(auth_url=auth_url, endpoint=endpoint, more=more)
    (tmp_path / "clouds.yaml").write_text(text)
    found = list(map(str, unsafe_settings(Config(**SITE))))
    assert [("begins with http://" in sentence) for sentence in found] == (
        [True] if refused else []
    )


def test_django_finds_nothing_to_deploy_against() -> None:
    ended = subprocess.run(
        [
            *(sys.executable, "manage.py", "check", "--deploy"),
            *("--tag", "security", "--fail-level", "WARNING"),
        ],
        cwd=PROJECT,
        env={
            "PATH": os.environ["PATH"],
            "CURFEW_SECRET_KEY": "0123456789abcdef" * 4,
            "CURFEW_REDIS_URL": "redis://:secret@redis.example:6379/0",
            "CURFEW_DATABASE_URL": "sqlite:///:memory:",
            "CURFEW_ALLOWED_HOSTS": "curfew.example.org,localhost",
            "CURFEW_TRUSTED_PROXIES": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_run_refuses(settings: Any) -> None:
    settings.CURFEW = Config(**HOME, debug=True)
    with pytest.raises(CommandError, match="CURFEW_DEBUG is on"):
        call_command("run", "--host", "192.0.2.1")
