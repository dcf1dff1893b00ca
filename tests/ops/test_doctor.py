"""doctor: one line each, exit status 1 when something is wrong, no secret shown."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine
from django.conf import settings as django_settings
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import OperationalError
from pydantic import SecretStr

from dashboard import mail
from dashboard.edits.delivery import heartbeat
from dashboard.emulator.cloud import Emulator
from dashboard.instances import upstream
from dashboard.system import checks
from tests.factories import make_cloud
from tests.reminders.sinks import MailSink

PASSWORD_LINE = "password: "


@pytest.fixture(scope="module")
def emulated() -> Iterator[Emulator]:
    cloud = Emulator(fleet=7)
    cloud.start()
    yield cloud
    cloud.stop()


@pytest.fixture
def clouds_file(
    emulated: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    path = tmp_path / "clouds.yaml"
    path.write_text(emulated.clouds_yaml("lab"))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    upstream.forget_clients()
    yield path
    upstream.forget_clients()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[dict[str, str]]]:
    """What the workers say they serve; empty it and there is none."""
    served = {"celery@host": [{"name": "edits"}, {"name": "refresh"}]}
    served["celery@other"] = [{"name": "default"}]

    class Inspect:
        def __init__(self, **_: Any) -> None: ...

        def active_queues(self) -> dict[str, list[dict[str, str]]] | None:
            return served or None

    monkeypatch.setattr(checks.current_app.control, "inspect", Inspect)
    return served


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Findings by name; each begins with its mark."""
    found = {}
    for line in capsys.readouterr().out.splitlines():
        mark, _, rest = line.partition(" ")
        name, _, sentence = rest.partition(": ")
        found[name] = f"{mark} {sentence}"
    return found


@pytest.fixture(autouse=True)
def _swept(_empty_cache: None) -> None:
    """Beat and a worker were here just now."""
    heartbeat.note_sweep()


Worker = dict[str, list[dict[str, str]]]


def examine(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Run it where it must find a fault."""
    with pytest.raises(SystemExit) as ended:
        call_command("doctor")
    assert ended.value.code == 1
    return lines(capsys)


def test_all_is_well(
    db: None, clouds_file: Path, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("doctor")
    found = lines(capsys)
    assert list(found) == [
        "settings", "database", "broker", "cache", "worker", "beat", "mirror", "mail",
        "cloud lab", "site",
    ]  # fmt: skip
    assert all(line.startswith("✓ ") for line in found.values())
    said = "demanager: 7 instances (all); notebooks: not served."
    assert found["cloud lab"].endswith(said)


@pytest.mark.parametrize(
    ("behavior", "said"),
    [
        ({}, "demanager: 4 instances (all); notebooks: 3 instances (all)."),
        ({"served": "notebooks"}, "demanager: not served; notebooks: 3 instances"),
        ({"list_all": "refuse"}, "only the account's own: it lacks administrator"),
    ],
)
def test_what_a_cloud_holds_of_each_generation(
    db: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    behavior: dict[str, str],
    said: str,
) -> None:
    with Emulator(fleet=7, notebooks=3) as cloud:
        cloud.behavior.change(behavior)
        described = tmp_path / "clouds.yaml"
        described.write_text(cloud.clouds_yaml("lab"))
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(described))
        upstream.forget_clients()
        call_command("doctor", only="cloud")
        upstream.forget_clients()
    assert said in lines(capsys)["cloud lab"]


def test_a_configured_generation_that_is_not_served_is_a_fault(
    db: None, clouds_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = "    modelarts_generations: demanager, notebooks\n"
    clouds_file.write_text(clouds_file.read_text() + fixed)
    upstream.forget_clients()
    with pytest.raises(SystemExit):
        call_command("doctor", only="cloud")
    line = lines(capsys)["cloud lab"]
    assert line.startswith("✗")
    assert "does not serve the API “notebooks”" in line
    assert "correct or remove modelarts_generations" in line


def test_a_listing_without_administrator_rights_is_told(
    db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    make_cloud("lab", notebooks_scope="own")
    call_command("doctor", only="mirror")
    assert lines(capsys)["mirror"] == (
        "✓ Every cloud is synced and up to date. lab lists only the notebooks of "
        "Curfew's own account. To list everyone's, give the account administrator "
        "rights in ModelArts."
    )


def test_a_wrong_password_is_told_and_not_shown(
    db: None, clouds_file: Path, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    text = clouds_file.read_text()
    right = text.partition(PASSWORD_LINE)[2].splitlines()[0]
    clouds_file.write_text(text.replace(right, "canary-9f2c"))
    with pytest.raises(SystemExit):
        call_command("doctor")
    shown = capsys.readouterr().out
    assert "✗ cloud lab: " in shown
    assert "canary-9f2c" not in shown


@pytest.mark.parametrize(
    ("days", "mark", "told"),
    [
        (30, "✓", "The password expires on"),
        (5, "✗", "Change it in the cloud's console"),
    ],
)
def test_when_the_password_of_a_cloud_expires(
    db: None,
    clouds_file: Path,
    emulated: Emulator,
    capsys: pytest.CaptureFixture[str],
    days: int,
    mark: str,
    told: str,
) -> None:
    at = datetime.now(UTC) + timedelta(days=days)
    emulated.iam.password_expires_at = f"{at:%Y-%m-%dT%H:%M:%S.000000}"
    try:
        with suppress(SystemExit):
            call_command("doctor", "--only", "cloud")
    finally:
        emulated.iam.password_expires_at = ""
    line = lines(capsys)["cloud lab"]
    assert line.startswith(mark)
    assert f"{at:%Y-%m-%d}" in line
    assert told in line


def test_an_unknown_cloud(
    db: None,
    clouds_file: Path,
    worker: Worker,
    capsys: pytest.CaptureFixture[str],
    settings: Any,
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(update={"clouds": ["lab", "moon"]})
    found = examine(capsys)
    assert found["cloud lab"].startswith("✓")
    assert found["cloud moon"].startswith("✗")


def test_no_worker(
    db: None, clouds_file: Path, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    worker.clear()
    assert "celery --app dashboard worker" in examine(capsys)["worker"]


def test_a_queue_nobody_serves(
    db: None, clouds_file: Path, worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    del worker["celery@other"]
    assert examine(capsys)["worker"] == "✗ No worker serves the queue default."


def test_a_silent_broker(
    db: None,
    clouds_file: Path,
    worker: Worker,
    capsys: pytest.CaptureFixture[str],
    settings: Any,
) -> None:
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    found = examine(capsys)
    assert found["broker"].startswith("✗")
    assert found["cloud lab"].startswith("✓")


@pytest.mark.django_db
def test_pending_migrations(
    clouds_file: Path,
    worker: Worker,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks, "pending_migrations", lambda: 3)
    assert "manage.py migrate" in examine(capsys)["database"]


def test_a_database_that_is_away(
    db: None,
    clouds_file: Path,
    worker: Worker,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> int:
        raise OperationalError("connection refused\nIs the server running?")

    monkeypatch.setattr(checks, "pending_migrations", refuse)
    assert examine(capsys)["database"] == (
        "✗ Cannot connect to CURFEW_DATABASE_URL: connection refused."
    )


@pytest.mark.parametrize(
    ("only", "names"),
    [("beat", ["beat"]), ("cloud", ["cloud lab"]), ("cloud lab", ["cloud lab"])],
)
def test_only_some(
    db: None,
    clouds_file: Path,
    capsys: pytest.CaptureFixture[str],
    only: str,
    names: list[str],
) -> None:
    call_command("doctor", "--only", only)
    assert list(lines(capsys)) == names


@pytest.mark.parametrize(
    ("ago", "told"), [(None, "Beat has not run yet"), (60, "Beat has not run for 60 s")]
)
def test_a_beat_that_is_silent(
    ago: float | None, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cache.clear()
    if ago is not None:
        with time_machine.travel(datetime.now(UTC) - timedelta(seconds=ago)):
            heartbeat.note_sweep()
    with pytest.raises(SystemExit):
        call_command("doctor", "--only", "beat")
    assert told in lines(capsys)["beat"]


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("maxmemory-policy", "allkeys-lru", "Set maxmemory-policy noeviction"),
        ("appendonly", "no", "Set appendonly yes"),
    ],
)
def test_a_broker_that_forgets(
    option: str, value: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with redis.Redis.from_url(django_settings.BROKER_URL) as client:
        before = client.config_get(option)[option]
        client.config_set(option, value)
        try:
            with pytest.raises(SystemExit):
                call_command("doctor", "--only", "broker")
        finally:
            client.config_set(option, before)
    assert told in lines(capsys)["broker"]


def test_unsafe_settings(
    settings: Any, clouds_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.CURFEW = settings.CURFEW.model_copy(
        update={"redis_url": "redis://far.example:6379/0"}
    )
    with pytest.raises(SystemExit):
        call_command("doctor", "--only", "settings")
    assert "CURFEW_REDIS_URL has no password" in lines(capsys)["settings"]


def mail_found(url: str, settings: Any, **options: bool) -> tuple[bool, str]:
    settings.CURFEW = settings.CURFEW.model_copy(
        update={"mail_url": SecretStr(url), "mail_starttls": True} | options
    )
    starttls = settings.CURFEW.mail_starttls
    settings.MAILERS = {"default": mail.mailer(url, starttls=starttls)}
    (finding,) = checks.examine("mail")
    return finding.healthy, finding.sentence


def test_a_mail_server_is_tried(settings: Any, tmp_path: Path) -> None:
    assert mail_found("", settings)[0]
    with MailSink(tmp_path, in_clear=True) as relay:
        url = f"smtp://127.0.0.1:{relay.port}"
        healthy, sentence = mail_found(url, settings)
        assert not healthy
        assert "does not support STARTTLS" in sentence
        healthy, sentence = mail_found(url, settings, mail_starttls=False)
        assert healthy
        assert "without TLS" in sentence
        assert relay.arrived == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("clouds:\n  lab:\n\tauth:\n", "line 3 is not valid YAML"),
        ("abc: def\n", "has no 'clouds'"),
    ],
)
def test_a_clouds_file_that_cannot_be_read_is_told_and_fails(
    db: None,
    clouds_file: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    told: str,
) -> None:
    clouds_file.write_text(text)
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--only", "cloud")
    assert ended.value.code == 1
    assert told in lines(capsys)["clouds"]
    with pytest.raises(SystemExit):
        call_command("doctor", "--only", "cloud lab")
    assert told in lines(capsys)["clouds"]
    with pytest.raises(CommandError, match=told):
        call_command("refresh")


def test_one_odd_cloud_does_not_hide_the_others(
    db: None, clouds_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clouds_file.write_text(clouds_file.read_text() + "  alpha: {auth: null}\n")
    with pytest.raises(SystemExit):
        call_command("doctor", "--only", "cloud")
    found = lines(capsys)
    assert found["cloud lab"].startswith("✓")
    assert found["cloud alpha"].startswith("✗ Cloud 'alpha': auth_url is missing")
    with pytest.raises(CommandError):
        call_command("refresh")
    printed = capsys.readouterr()
    assert "lab: 7 instances" in printed.out
    assert "alpha: Cloud 'alpha': auth_url is missing" in printed.err


def test_a_proxy_in_the_environment_is_pointed_at(
    db: None,
    clouds_file: Path,
    emulated: Emulator,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:3128")
    text = clouds_file.read_text()
    clouds_file.write_text(text.replace(emulated.url, "https://iam.invalid"))
    with pytest.raises(SystemExit):
        call_command("doctor", "--only", "cloud")
    assert "set CURFEW_CLOUD_PROXY" in lines(capsys)["cloud lab"]
