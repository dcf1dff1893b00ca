"""doctor: one line each, exit status 1 when something is wrong, no secret shown."""

from collections.abc import Iterator
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
from dashboard.ops import doctor
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

    monkeypatch.setattr(doctor.current_app.control, "inspect", Inspect)
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
    assert "7 instances" in found["cloud lab"]


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
    monkeypatch.setattr(doctor, "pending_migrations", lambda: 3)
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

    monkeypatch.setattr(doctor, "pending_migrations", refuse)
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
    (finding,) = doctor.examine("mail")
    return finding.healthy, finding.sentence


def test_a_mail_server_is_tried(settings: Any, tmp_path: Path) -> None:
    assert mail_found("", settings)[0]
    with MailSink(tmp_path, in_clear=True) as relay:
        url = f"smtp://127.0.0.1:{relay.port}"
        healthy, sentence = mail_found(url, settings)
        assert not healthy
        assert "offers no STARTTLS" in sentence
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
