"""Configuration, lost answers, and the live table."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.cli import config, show
from dashboard.cli.client import Api
from dashboard.cli.commands import FILTERS
from dashboard.cli.errors import Code, CommandError, UnreachableError
from dashboard.cli.watch import Watch
from dashboard.instances import countdown
from dashboard.instances.filters import InstanceFilter
from tests.test_docs import ROOT, rows

HERE = config.Config("http://localhost", "canary")


def api(handler: Any, pauses: list[float] | None = None) -> Api:
    told = pauses if pauses is not None else []
    return Api(HERE, transport=httpx.MockTransport(handler), pause=told.append)


def test_the_environment_first(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('url = "https://file.example/"\ntoken = "of-the-file"\n')
    path.chmod(0o600)
    where = {"CURFEW_CONFIG": str(path)}
    assert config.read(where) == ("https://file.example", "of-the-file")
    said = where | {"CURFEW_TOKEN": "said"}
    assert config.read(said) == ("https://file.example", "said")


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
def test_what_cannot_be_sent_is_a_sentence(url: str, token: str) -> None:
    environ = {"CURFEW_URL": url, "CURFEW_TOKEN": token, "CURFEW_CONFIG": "/nowhere"}
    with pytest.raises(CommandError) as ended:
        config.read(environ)
    assert ended.value.code == Code.SETUP
    assert token not in str(ended.value)


@pytest.mark.parametrize("url", ["https://[", "https://curfew.example.org:port"])
def test_what_is_no_address_is_told(url: str) -> None:
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


def test_it_gives_up_in_the_end() -> None:
    with pytest.raises(UnreachableError, match="503"):
        api(lambda request: httpx.Response(503)).write("POST", "/x")


def test_another_site_is_found_out() -> None:
    with pytest.raises(CommandError, match="not a Curfew API"):
        api(lambda request: httpx.Response(200, text="<html>")).get("/me")


def test_the_token_goes_nowhere_else() -> None:
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"Location": "https://evil.example/"})

    with pytest.raises(CommandError):
        api(handler).get("/me")
    assert asked == ["http://localhost/api/v1/me"]


class Site:
    """Answers as it is told to, and keeps what it was asked."""

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
        one = {
            "name": "nb",
            "status_text": "Running",
            "owner": {"name": "anna"},
            "this_run": run,
            "next_run_text": "8 h",
            "edit": None,
        }
        told = {"version": self.version, "items": [one], "count": 1}
        return httpx.Response(200, json=told)


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
    assert show.remaining(seconds) == countdown.remaining_text(seconds)


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
    told = rows((ROOT / "docs" / "cli.md").read_text())
    assert {str(code.value) for code in Code} <= told.keys()
