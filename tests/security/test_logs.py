"""Whatever somebody is called or sends, it is one line of the log and forges none."""

import io
import json
import logging
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog
from django.test import Client
from django.urls import reverse

from dashboard import logs
from dashboard.accounts.models import User
from dashboard.api.secret_text import new_secret
from dashboard.digests.links import off_url
from dashboard.handover import wallboard_services
from dashboard.setup import links as setup_links

pytestmark = pytest.mark.usefixtures("_empty_cache")

FORGED = '{"event": "edit moved", "level": "info"}'
HOSTILE = {
    "line feed": f"eve\n{FORGED}",
    "carriage return": f"eve\r\n{FORGED}",
    "end of the object": 'eve", "level": "info", "x": "',
    "terminal": "eve\x1b[2K\x1b[1A\x1b]0;owned\x07",
    "eight-bit terminal": "eve\x9b2K\x85next",
    "right to left": "eve\u202enimda\u2066\u200b",
    "separators": f"eve\u2028{FORGED}\u2029\v\f",
    "NUL": "eve\x00admin",
}


@pytest.fixture(params=HOSTILE)
def hostile(request: pytest.FixtureRequest) -> str:
    return HOSTILE[request.param]


def events(log: io.StringIO) -> list[dict[str, Any]]:
    """What is in the log: each line an object, and nothing that moves a cursor."""
    text = log.getvalue()
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    return [json.loads(line) for line in text.splitlines()]


def test_a_name_is_one_line(log: io.StringIO, hostile: str) -> None:
    held = {hostile: [hostile]}
    structlog.get_logger("tests.names").warning(hostile, name=hostile, held=held)
    (event,) = events(log)
    assert (event["event"], event["name"]) == (hostile, hostile)
    assert event["held"] == held


@pytest.mark.django_db
def test_the_token_of_the_setup_is_blanked(client: Client, log: io.StringIO) -> None:
    path = urlsplit(setup_links.create_link()).path
    token = path.split("/")[2]
    client.get(path, headers={"Referer": f"http://testserver{path}"})
    client.post(path, {"username": "eve"})
    structlog.get_logger("tests.names").warning("seen", url=f"http://x{path}?next=1")
    assert "/setup/[redacted]/" in log.getvalue()
    assert token not in log.getvalue()
    client.get("/setup/clouds/new/")
    assert "/setup/clouds/new/" in log.getvalue(), "the other pages are no secret"


def test_half_a_character_is_one_line() -> None:
    # Not by a logger: pytest could not pass on what it captures.
    record = logging.makeLogRecord({"msg": "eve\ud800", "name": "tests.names"})
    line = logs.formatter().format(record)
    assert line.isascii()
    assert json.loads(line)["event"] == "eve\ud800"


def test_a_name_in_a_library_s_line(log: io.StringIO, hostile: str) -> None:
    try:
        raise ValueError(hostile)
    except ValueError:
        logging.getLogger("library").exception("no such notebook: %s", hostile)
    (event,) = events(log)
    assert event["event"] == f"no such notebook: {hostile}"
    assert event["exception"].endswith(hostile.strip("\0")[-1])


def test_a_request_s_lines(
    client: Client, viewer: User, log: io.StringIO, hostile: str
) -> None:
    client.force_login(viewer)
    query = {"q": hostile}
    client.get("/instances/", query, headers={"User-Agent": hostile})
    started = [one for one in events(log) if one["event"] == "request_started"]
    assert [one["user_agent"] for one in started] == [hostile]


@pytest.mark.django_db
def test_a_name_that_somebody_signs_in_with(
    client: Client, log: io.StringIO, hostile: str
) -> None:
    form = {"login": hostile, "password": "entirely wrong words"}
    assert client.post(reverse("account_login"), form).status_code == 200
    assert events(log)
    assert "edit moved" not in {one["event"] for one in events(log)}


@pytest.mark.django_db
def test_code_and_state_of_a_sign_in_are_blanked(
    client: Client, log: io.StringIO
) -> None:
    query = "code=canary-1%2F&state=canary-2&session_state=canary-3&error=denied"
    client.get(f"/accounts/oidc/sso/login/callback/?{query}")
    assert "canary" not in log.getvalue()
    asked = [one["request"] for one in events(log) if "request" in one]
    assert asked
    for each in asked:
        assert "code=[redacted]&state=[redacted]&" in each
        assert each.endswith("&error=denied")


@pytest.mark.django_db
def test_the_key_for_a_new_password_is_blanked(
    client: Client, log: io.StringIO
) -> None:
    client.get("/accounts/password/reset/key/1-canary-key/")
    assert "request_started" in log.getvalue()
    assert "canary" not in log.getvalue()


@pytest.mark.django_db
def test_other_addresses_stay_readable(client: Client, log: io.StringIO) -> None:
    client.get("/edits/?state=failed&code=x")
    asked = {one["request"] for one in events(log) if "request" in one}
    assert asked == {"GET /edits/?state=failed&code=x"}


def test_an_api_token_is_blanked_wherever_it_turns_up(log: io.StringIO) -> None:
    secret = new_secret()
    logging.getLogger("library").error("sent %s to the wrong place", secret)
    (event,) = events(log)
    assert event["event"] == "sent [redacted] to the wrong place"


def test_a_wall_s_token_is_blanked(
    client: Client, operator: User, log: io.StringIO
) -> None:
    link = wallboard_services.make(actor=operator, name="Wall")
    token = wallboard_services.token(link)
    for path in (f"/wall/{token}/", f"/wall/{token}/changes?since=0"):
        client.get(path, headers={"HX-Current-URL": f"https://c.example/wall/{token}/"})
    assert "/wall/[redacted]/" in log.getvalue()
    assert token not in log.getvalue()
    assert link.key not in log.getvalue()


def test_the_link_that_turns_a_digest_off_is_blanked(
    client: Client, operator: User, log: io.StringIO
) -> None:
    token = off_url(operator).rstrip("/").rpartition("/")[2]
    path = f"/costs/digest/off/{token}/"
    client.post(path, headers={"HX-Current-URL": f"https://c.example{path}"})
    assert "/costs/digest/off/[redacted]/" in log.getvalue()
    assert token not in log.getvalue()


@pytest.mark.django_db
def test_a_stranger_does_not_fill_the_log(client: Client, log: io.StringIO) -> None:
    client.get(f"/accounts/login/{'é' * 30_000}", headers={"User-Agent": "x" * 400_000})
    for event in events(log):
        for text in event.values():
            assert len(str(text)) < 2_100
    assert len(log.getvalue()) < 60_000


def test_both_ends_of_a_long_text_are_kept(log: io.StringIO) -> None:
    logging.getLogger("library").error("begun %s ended", "x" * 50_000)
    (event,) = events(log)
    assert event["event"].startswith("begun xxx")
    assert event["event"].endswith("xxx ended")
    assert "more]" in event["event"]
