"""Settings: from the environment or from files, and a sentence for each fault."""

import secrets
from pathlib import Path

import pytest

from dashboard.config import PREFIX, SECRETS, Config

KEY = "0123456789abcdef" * 4


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in Config.model_fields:
        for end in ("", "_FILE"):
            monkeypatch.delenv(f"{PREFIX}{field.upper()}{end}", raising=False)
    monkeypatch.setenv("CURFEW_SECRET_KEY", KEY)
    monkeypatch.setenv("CURFEW_REDIS_URL", "redis://127.0.0.1:6379/0")


def refused() -> str:
    with pytest.raises(SystemExit) as ended:
        Config.from_environment()
    return str(ended.value)


def test_secrets_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = {
        "secret_key": KEY[::-1],
        "database_url": "postgres://curfew:canary@db/curfew",
        "redis_url": "redis://:canary@redis:6379/0",
        "metrics_token": "canary",
        "oidc_client_secret": "canary",
        "mail_url": "smtp://curfew:canary@mail:587",
        "cloud_proxy": "http://curfew:canary@proxy:3128",
    }
    monkeypatch.setenv("CURFEW_MAIL_FROM", "curfew@example.org")
    assert set(held) == set(SECRETS)
    for field, value in held.items():
        (tmp_path / field).write_text(f"{value}\n")
        monkeypatch.delenv(f"{PREFIX}{field.upper()}", raising=False)
        monkeypatch.setenv(f"{PREFIX}{field.upper()}_FILE", str(tmp_path / field))
    config = Config.from_environment()
    assert config.secret_key.get_secret_value() == held["secret_key"]
    assert config.database_url == held["database_url"]
    assert config.redis_url == held["redis_url"]
    assert config.metrics_token.get_secret_value() == held["metrics_token"]
    assert "canary" not in repr(config)


def test_a_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CURFEW_SECRET_KEY")
    monkeypatch.setenv("CURFEW_SECRET_KEY_FILE", "/nowhere/key")
    assert refused() == (
        "CURFEW_SECRET_KEY_FILE is wrong: /nowhere/key cannot be read "
        "(No such file or directory)."
    )


def test_a_secret_given_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURFEW_SECRET_KEY_FILE", str(tmp_path / "key"))
    assert "are both set" in refused()


def test_a_wrong_secret_is_told_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("canary")
    monkeypatch.delenv("CURFEW_SECRET_KEY")
    monkeypatch.setenv("CURFEW_SECRET_KEY_FILE", str(tmp_path / "key"))
    told = refused()
    assert "CURFEW_SECRET_KEY is wrong: use a random text of at least 50" in told
    assert "canary" not in told


@pytest.mark.parametrize(
    ("hosts", "https", "used"),
    [
        ("localhost,127.0.0.1", "", False),
        ("localhost", "true", True),
        ("curfew.example.org,localhost", "", True),
        ("*", "", True),
        ("*", "false", False),
    ],
)
def test_https_everywhere_but_at_home(
    monkeypatch: pytest.MonkeyPatch, hosts: str, https: str, used: bool
) -> None:
    monkeypatch.setenv("CURFEW_ALLOWED_HOSTS", hosts)
    if https:
        monkeypatch.setenv("CURFEW_HTTPS", https)
    assert Config.from_environment().uses_https is used


def test_the_data_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Config.from_environment().data_dir is None
    monkeypatch.setenv("CURFEW_DATA_DIR", "")
    assert Config.from_environment().data_dir is None
    monkeypatch.setenv("CURFEW_DATA_DIR", str(tmp_path))
    assert Config.from_environment().data_dir == tmp_path
    monkeypatch.setenv("CURFEW_DATA_DIR", "var")
    assert refused() == "CURFEW_DATA_DIR is wrong: must be an absolute path."


OIDC = {
    "CURFEW_OIDC_ISSUER": "https://id.example.org/realms/lab",
    "CURFEW_OIDC_CLIENT_ID": "curfew",
    "CURFEW_OIDC_CLIENT_SECRET": "canary",
    "CURFEW_OIDC_ROLES": "cloud-admins=admin, data=science=scientist",
}


def test_single_sign_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in OIDC.items():
        monkeypatch.setenv(name, value)
    config = Config.from_environment()
    assert config.oidc_roles == {"cloud-admins": "admin", "data=science": "scientist"}
    assert "canary" not in repr(config)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ISSUER", "http://id.example.org", "starting with https://"),
        ("ISSUER", "https://", "starting with https://"),
        ("ISSUER", "https://id.example.org/?x=1", "starting with https://"),
        ("CLIENT_ID", "", "is required because CURFEW_OIDC_ISSUER is set"),
        ("CLIENT_SECRET", "", "is required because CURFEW_OIDC_ISSUER is set"),
        (
            "ROLES",
            "cloud-admins=root",
            "roles are viewer, scientist, manager, operator, admin",
        ),
        ("ROLES", "admin", "must look like"),
        ("DEFAULT_ROLE", "admin", "'viewer'"),
    ],
)
def test_a_wrong_single_sign_on_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    for variable, right in OIDC.items():
        monkeypatch.setenv(variable, right)
    monkeypatch.setenv(f"CURFEW_OIDC_{name}", value)
    told = refused()
    assert told.startswith(f"CURFEW_OIDC_{name} is wrong: ")
    assert sentence in told
    assert "canary" not in told


@pytest.mark.parametrize("url", ["mail.example.org", "http://mail.example.org"])
def test_a_wrong_mail_server_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("CURFEW_MAIL_URL", url)
    assert "CURFEW_MAIL_URL is wrong: must look like smtp://" in refused()


def test_mail_has_a_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURFEW_MAIL_URL", "smtps://mail.example.org")
    assert "CURFEW_MAIL_FROM is wrong: must be an email address" in refused()


ADDRESSES = {
    "MAIL_URL": "smtp://curfew:{}@mail.example.org:587",
    "REDIS_URL": "redis://curfew:{}@redis.example.org:6379/0",
    "DATABASE_URL": "postgres://curfew:{}@db.example.org/curfew",
    "CLOUD_PROXY": "http://curfew:{}@proxy.example.org:3128",
}


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    "password",
    [
        "Sommer#2026",
        "Som/mer2026",
        "Som?mer2026",
        "12#Sommer",
        "[Sommer",
        "12/Sommer",
        "Som@mer",
    ],
)
def test_a_character_that_must_be_encoded_stops_the_start_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, password: str
) -> None:
    monkeypatch.setenv("CURFEW_MAIL_FROM", "curfew@example.org")
    monkeypatch.setenv(f"CURFEW_{name}", ADDRESSES[name].format(password))
    told = refused()
    assert told.startswith(f"CURFEW_{name} is wrong: is not a valid URL")
    assert "# as %23" in told
    assert "Som" not in told
    assert "\n" not in told


@pytest.mark.parametrize("name", ADDRESSES)
def test_an_encoded_character_is_fine(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CURFEW_MAIL_FROM", "Curfew <curfew@example.org>")
    value = ADDRESSES[name].format("Som%23mer%2F%3F%40")
    monkeypatch.setenv(f"CURFEW_{name}", value)
    held = getattr(Config.from_environment(), name.lower())
    assert getattr(held, "get_secret_value", lambda: held)() == value


@pytest.mark.parametrize("name", [*ADDRESSES, "URL", "OIDC_ISSUER"])
@pytest.mark.parametrize("value", ["https://example.org:port", "smtp://a:99999", "//["])
def test_no_port_ends_in_a_traceback(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"CURFEW_{name}", value)
    assert f"CURFEW_{name} is wrong: is not a valid URL" in refused()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ALLOWED_HOSTS", "https://curfew.example.org", "is not a host name"),
        ("ALLOWED_HOSTS", "curfew.example.org:8443", "is not a host name"),
        ("ALLOWED_HOSTS", "localhost,curfew.example.org/", "'curfew.example.org/'"),
        ("ALLOWED_HOSTS", "*.example.org", "is not a host name"),
        ("ALLOWED_HOSTS", "curfew..example.org", "is not a host name"),
        ("ALLOWED_HOSTS", "kürfew.example.org", "is not a host name"),
        ("ALLOWED_HOSTS", ",", "must contain a host name"),
        ("CSRF_TRUSTED_ORIGINS", "curfew.example.org", "is not an origin"),
        ("CSRF_TRUSTED_ORIGINS", "https://curfew.example.org/", "is not an origin"),
        ("CSRF_TRUSTED_ORIGINS", "ftp://curfew.example.org", "is not an origin"),
        ("CSRF_TRUSTED_ORIGINS", "https://curfew.example.org:x", "is not an origin"),
        ("WEBHOOK_HOSTS", "https://chat.lab.internal", "is not a host name"),
        ("WEBHOOK_HOSTS", "chat.lab.internal:8443", "is not a host name"),
        ("WEBHOOK_HOSTS", ".lab.internal", "write each host name in full"),
        ("CLOUD_PROXY", "proxy.example.org:3128", "must look like http://"),
        ("CLOUD_PROXY", "socks5://proxy.example.org", "must look like http://"),
    ],
)
def test_what_no_request_can_match_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(f"CURFEW_{name}", value)
    told = refused()
    assert told.startswith(f"CURFEW_{name} is wrong: ")
    assert sentence in told


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_HOSTS", "*"),
        ("ALLOWED_HOSTS", ".example.org,localhost,[::1],192.0.2.1,web_1"),
        ("CSRF_TRUSTED_ORIGINS", "https://curfew.example.org:8443,https://*.lab.org"),
        ("CSRF_TRUSTED_ORIGINS", ""),
        ("WEBHOOK_HOSTS", "mattermost.lab.internal,192.0.2.1"),
    ],
)
def test_what_requests_match_is_taken(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"CURFEW_{name}", value)
    parts = [part for part in value.split(",") if part]
    assert getattr(Config.from_environment(), name.lower()) == parts


@pytest.mark.parametrize(
    ("url", "origin", "prefix"),
    [
        ("", "https://curfew.example.org", ""),
        ("https://curfew.example.org:8443/", "https://curfew.example.org:8443", ""),
        ("https://www.example.org/curfew/", "https://www.example.org", "/curfew"),
        ("https://www.example.org/a/b-2.x", "https://www.example.org", "/a/b-2.x"),
    ],
)
def test_the_site_may_be_below_a_path(
    monkeypatch: pytest.MonkeyPatch, url: str, origin: str, prefix: str
) -> None:
    monkeypatch.setenv("CURFEW_ALLOWED_HOSTS", "curfew.example.org")
    monkeypatch.setenv("CURFEW_URL", url)
    config = Config.from_environment()
    assert (config.origin, config.path_prefix) == (origin, prefix)
    assert config.site_url == f"{origin}{prefix}"


@pytest.mark.parametrize("path", ["a b", "a;b", "a//b", "a/../b", "%63", "é"])
def test_a_path_that_cookies_or_proxies_might_read_otherwise(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("CURFEW_URL", f"https://www.example.org/{path}")
    assert refused().startswith("CURFEW_URL is wrong: has a path that cannot be served")


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("smtp://curfew:canary@mail.example.org", "would send the password"),
        ("smtps://mail.example.org", "cannot be false with smtps://"),
        ("smtp://mail.example.org", None),
        ("smtp://curfew:canary@localhost", None),
    ],
)
def test_no_password_goes_in_clear_to_a_mail_server(
    monkeypatch: pytest.MonkeyPatch, url: str, sentence: str | None
) -> None:
    monkeypatch.setenv("CURFEW_MAIL_URL", url)
    monkeypatch.setenv("CURFEW_MAIL_FROM", "curfew@example.org")
    monkeypatch.setenv("CURFEW_MAIL_STARTTLS", "false")
    if sentence is None:
        assert Config.from_environment().mail_starttls is False
        return
    told = refused()
    assert told.startswith("CURFEW_MAIL_STARTTLS is wrong: ")
    assert sentence in told
    assert "canary" not in told


@pytest.mark.parametrize("sender", ["curfew", "curfew@", "@example.org", "a@b\nBcc: c"])
def test_a_sender_is_an_address(monkeypatch: pytest.MonkeyPatch, sender: str) -> None:
    monkeypatch.setenv("CURFEW_MAIL_URL", "smtps://mail.example.org")
    monkeypatch.setenv("CURFEW_MAIL_FROM", sender)
    assert "CURFEW_MAIL_FROM is wrong: must be an email address" in refused()


@pytest.mark.parametrize("key", ["0123456789abcdef" * 3, "x" * 64])
def test_a_key_that_django_would_complain_about_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("CURFEW_SECRET_KEY", key)
    sentence = refused()
    assert "CURFEW_SECRET_KEY is wrong" in sentence
    assert "at least 50 characters" in sentence
    assert key not in sentence


def test_the_command_in_the_settings_makes_a_good_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CURFEW_SECRET_KEY", secrets.token_hex(32))
    Config.from_environment()
