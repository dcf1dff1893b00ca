"""Configuration, lost responses, and the live table."""

import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.cli import config, show
from dashboard.cli.client import Api
from dashboard.cli.commands import FILTERS
from dashboard.cli.errors import Code, CommandError, UnreachableError
from dashboard.cli.moments import end_of
from dashboard.cli.watch import Watch
from dashboard.instances.durations import remaining_text
from dashboard.instances.filters import InstanceFilter
from tests.test_docs import ROOT, rows

HERE = config.Config("http://localhost", "canary")


def api(handler: Any, pauses: list[float] | None = None) -> Api:
    waits = pauses if pauses is not None else []
    return Api(HERE, transport=httpx.MockTransport(handler), pause=waits.append)


def test_the_environment_first(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('url = "https://file.example/"\ntoken = "of-the-file"\n')
    path.chmod(0o600)
    where = {"CURFEW_CONFIG": str(path)}
    assert config.read(where) == ("https://file.example", "of-the-file")
    environ = where | {"CURFEW_TOKEN": "said"}
    assert config.read(environ) == ("https://file.example", "said")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "config.toml"
    path.write_text('url = "https://x.example"\ntoken = "canary"\n')
    path.chmod(mode)
    with pytest.raises(CommandError, match="chmod 600") as refused:
        config.read({"CURFEW_CONFIG": str(path)})
    assert refused.value.code == Code.SETUP


def test_a_broken_file_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("token = canary canary")
    path.chmod(0o600)
    with pytest.raises(CommandError) as refused:
        config.read({"CURFEW_CONFIG": str(path)})
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://curfew.example.org", True),
        ("http://localhost:8000", True),
        ("http://127.0.0.1:8000", True),
        ("http://curfew.example.org", False),
        ("http://localhost.example.org", False),
        ("ftp://localhost", False),
        ("curfew.example.org", False),
    ],
)
def test_no_token_goes_out_in_clear(url: str, is_safe: bool) -> None:
    environ = {"CURFEW_URL": url, "CURFEW_TOKEN": "t", "CURFEW_CONFIG": "/nowhere"}
    if is_safe:
        assert config.read(environ).url == url
        return
    with pytest.raises(CommandError, match="https://"):
        config.read(environ)


@pytest.mark.parametrize(
    ("url", "token"),
    [("https://[x", "t"), ("https://curfew.example.org", "curfew_é"),
     ("https://curfew.example.org", "curfew_1\n")],
)  # fmt: skip
def test_invalid_tokens_are_explained(url: str, token: str) -> None:
    environ = {"CURFEW_URL": url, "CURFEW_TOKEN": token, "CURFEW_CONFIG": "/nowhere"}
    with pytest.raises(CommandError) as ended:
        config.read(environ)
    assert ended.value.code == Code.SETUP
    assert token not in str(ended.value)


@pytest.mark.parametrize("url", ["https://[", "https://curfew.example.org:port"])
def test_invalid_urls_are_explained(url: str) -> None:
    environ = {"CURFEW_URL": url, "CURFEW_TOKEN": "t", "CURFEW_CONFIG": "/nowhere"}
    with pytest.raises(CommandError, match="malformed"):
        config.read(environ)


def test_nothing_is_set() -> None:
    with pytest.raises(CommandError, match="CURFEW_URL and CURFEW_TOKEN"):
        config.read({"CURFEW_CONFIG": "/nowhere"})


def test_a_lost_answer_is_asked_for_again_under_the_same_key() -> None:
    keys, pauses = [], []

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadTimeout("lost")
        if len(keys) == 2:
            return httpx.Response(429, headers={"Retry-After": "7"})
        return httpx.Response(202, json={"id": "1"})

    assert api(handler, pauses).write("POST", "/x") == {"id": "1"}
    assert len(set(keys)) == 1
    assert pauses == [2, 7]


def test_writes_are_repeated_only_a_few_times() -> None:
    with pytest.raises(UnreachableError, match="503"):
        api(lambda request: httpx.Response(503)).write("POST", "/x")


def test_another_site_is_found_out() -> None:
    with pytest.raises(CommandError, match="not a Curfew API"):
        api(lambda request: httpx.Response(200, text="<html>")).get("/me")


def test_the_token_goes_nowhere_else() -> None:
    requests = []

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(str(request.url))
        return httpx.Response(302, headers={"Location": "https://evil.example/"})

    with pytest.raises(CommandError):
        api(handler).get("/me")
    assert requests == ["http://localhost/api/v1/me"]


class Site:
    """A server with prepared answers that records the requests."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.asked: list[dict[str, str]] = []
        self.status = 200
        self.version = 1

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        self.asked.append(query)
        if self.status != 200:
            return httpx.Response(self.status)
        if query.get("since") == str(self.version):
            return httpx.Response(204)
        run = {"stops_at_ms": int(self.now + 100) * 1_000, "text": ""}
        instance = {
            "name": "nb",
            "status_text": "Running",
            "owner": {"name": "anna"},
            "this_run": run,
            "next_run_text": "8 h",
            "edit": None,
        }
        content = {"version": self.version, "items": [instance], "count": 1}
        return httpx.Response(200, json=content)


def test_watch_asks_only_for_news_and_counts_down_by_itself() -> None:
    site = Site()
    view = Watch(api(site), {"owner": "anna"}, lambda: site.now)
    assert view.step()
    assert "1 min 40 s" in view.lines()[1]
    for _ in range(4):
        site.now += 1
        assert not view.step()
    assert len(site.asked) == 1, "not more than every five seconds"
    assert "1 min 36 s" in view.lines()[1]
    site.now += 1
    assert not view.step()
    assert site.asked[-1]["since"] == "1"
    assert site.asked[-1]["owner"] == "anna"
    site.version = 2
    site.now += 5
    assert view.step()
    site.now += 60
    view.step()
    assert "since" not in site.asked[-1], "now and then the whole"


def test_watch_outlives_a_lost_connection() -> None:
    site = Site()
    view = Watch(api(site), {}, lambda: site.now)
    view.step()
    site.status = 502
    site.now += 5
    assert view.step(), "it says so at once"
    assert "Connection lost" in view.lines()[-1]
    assert "nb" in view.lines()[1], "what was known stays"
    tries = len(site.asked)
    for _ in range(120):
        site.now += 1
        view.step()
    assert 4 <= len(site.asked) - tries <= 8, "ever more rarely"
    site.status = 200
    site.now += 30
    assert view.step()
    assert view.lines()[-1] == "1 of 1"


def test_watch_ends_where_waiting_does_not_help() -> None:
    site = Site()
    site.status = 401
    with pytest.raises(CommandError) as ended:
        Watch(api(site), {}, lambda: site.now).step()
    assert ended.value.code == Code.SETUP


@pytest.mark.parametrize(
    "seconds", [1, 59, 60, 299, 300, 3_599, 3_600, 7_260, 172_800, 172_801, 400_000]
)
def test_time_left_in_the_words_of_the_pages(seconds: int) -> None:
    assert show.remaining(seconds) == remaining_text(seconds)


def test_columns_stand_where_they_should_whatever_the_script() -> None:
    names = ["churn", "流失模型", "ﾓﾃﾞﾙ", "e\N{COMBINING ACUTE ACCENT}tude", "🚀 x"]
    lines = show.table([[name, "Running"] for name in names], ("NAME", "STATUS"))
    columns = {show.width(line.partition("Running")[0]) for line in lines[1:]}
    assert columns == {show.width("流失模型") + 2}
    assert show.width("流失模型") == 8
    (_, line) = show.table([["流" * 60]], ("NAME",))
    assert show.width(line) <= 44
    assert line.endswith("…")


def test_the_filters_are_those_of_the_list() -> None:
    assert set(FILTERS) == set(InstanceFilter.base_filters)


def test_every_exit_code_has_its_line() -> None:
    content = rows((ROOT / "docs" / "cli.md").read_text())
    assert {str(code.value) for code in Code} <= content.keys()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("18:00", "2026-11-25T18:00:00+01:00"),
        ("09:00", "2026-11-26T09:00:00+01:00"),
        ("12:00", "2026-11-26T12:00:00+01:00"),
        ("2026-12-01T09:00", "2026-12-01T09:00:00+01:00"),
        ("2026-12-01 09:00Z", "2026-12-01T09:00:00+00:00"),
        ("2026-07-01T09:00", "2026-07-01T09:00:00+02:00"),
    ],
)
def test_an_end_as_people_type_it(in_berlin: None, typed: str, expected: str) -> None:
    noon = datetime.fromisoformat("2026-11-25T12:00:00")
    assert end_of(typed, noon) == datetime.fromisoformat(expected)


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Move this machine."""
    with monkeypatch.context() as moved:
        moved.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()
