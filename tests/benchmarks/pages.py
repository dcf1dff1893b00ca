"""Polls and pages: what a request costs, beside the baselines of the same server."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from .load import Connection, Headers, Tally, hammer
from .measure import Cost, cpu_seconds, in_turns
from .place import Place

SORTS = ("stops_in", "name", "owner", "status", "updated")
FILTERS = (
    *("q=train", "status=RUNNING", "autostop=on", "autostop=due", "autostop=off"),
    *("flavor_type=GPU", "owner=anna.schmidt", "cloud=demo", "workspace=0"),
)


class Requests:
    """Asks one web server, in rounds of some length."""

    def __init__(self, place: Place, seconds: float) -> None:
        self._place, self._seconds = place, seconds

    def work(self, path: str, headers: Headers | None = None) -> Callable[[], Cost]:
        """A round that asks for one path."""
        return lambda: self._round(path, headers or self._place.headers())

    def _round(self, path: str, headers: Headers) -> Cost:
        assert self._place.web.pid
        before = cpu_seconds(self._place.web.pid)
        tally, seconds = asyncio.run(
            hammer(
                self._place.port, [path], headers, seconds=self._seconds, connections=4
            )
        )
        used = cpu_seconds(self._place.web.pid) - before
        assert not tally.errors, (path, tally.statuses)
        number = len(tally.seconds)
        return Cost(used * 1000 / number, number / seconds)


def get(place: Place, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """One answer."""

    async def once() -> tuple[int, dict[str, str], bytes]:
        connection = Connection(place.port)
        answer = await connection.get(path, place.headers(**headers), Tally())
        connection.close()
        return answer

    return asyncio.run(once())


def poller(page: bytes) -> tuple[str, str]:
    """What a page's poller asks for, and its grant."""
    text = page.decode()
    url = re.search(r'<div id="poller"[^>]* hx-get="([^"]+)"', text)
    grant = re.search(r'"Curfew-Grant": "([^"]+)"', text)
    assert url
    assert grant
    return url[1].replace("&amp;", "&"), grant[1]


class QuietPoller:
    """A watcher of whom the server has nothing new; takes new grants as htmx would."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.url, self.grant = poller(get(place, "/instances/")[2])

    def headers(self) -> Headers:
        """With a grant that is good for a while, and news in Redis."""
        headers = {"Curfew-Grant": self.grant, "HX-Request": "true"}
        status, heads, _ = get(self._place, self.url, **headers)
        assert status == 204, status
        if renewed := re.search(r'"grant": "([^"]+)"', heads["hx-trigger"]):
            self.grant = renewed[1]
        return self._place.headers(**headers | {"Curfew-Grant": self.grant})


def polls(place: Place, seconds: float, rounds: int) -> dict[str, Cost]:
    """Quiet polls beside a constant and a plain view, and polls with news."""
    ask = Requests(place, seconds)
    quiet = QuietPoller(place)
    works = {
        "bare constant": ask.work("/_bare"),
        "plain view": ask.work("/_plain"),
        "quiet poll": lambda: ask.work(quiet.url, quiet.headers())(),
        "quiet poll, no grant": ask.work(quiet.url),
    }
    rows = re.findall(rb'<tr id="instance-(\d+)"', get(place, "/instances/")[2])
    changed = in_turns(works, rounds)
    for number in (1, 5, 25):
        url = poller(get(place, "/instances/")[2])[0]
        place.ask("stamp", pks=[int(pk) for pk in rows[:number]])
        news = {f"poll, {number} rows changed": ask.work(url)}
        changed |= in_turns(news, rounds)
    return changed


def lists(place: Place, seconds: float, rounds: int, *, every: bool) -> dict[str, Cost]:
    """Each sort and filter beside Django admin's list of the same rows."""
    ask = Requests(place, seconds)
    queries = [f"sort={sort}" for sort in SORTS]
    if every:
        queries += [*(f"sort=-{sort}" for sort in SORTS), *FILTERS, "page=40"]
    works = {"admin": ask.work("/_admin/instances/instance/")}
    works |= {query: ask.work(f"/instances/?per_page=100&{query}") for query in queries}
    return in_turns(works, rounds)


def plans(place: Place) -> dict[str, Any]:
    """Number of queries and plans of each list, and what scans a whole table."""
    found = {}
    for query in ("", *(f"sort={s}" for k in SORTS for s in (k, f"-{k}")), *FILTERS):
        path = f"/instances/?per_page=100&{query}"
        seen = place.ask("look", path=path, session=place.sessions[0])
        scans = [
            line
            for plan in seen["plans"].values()
            for line in plan
            if re.search(
                r"SCAN instances_instance$|Seq Scan on instances_instance", line
            )
        ]
        found[query or "default"] = {"queries": seen["queries"], "scans": scans}
    return found


def single_pages(
    place: Place, seconds: float, rounds: int
) -> dict[str, tuple[Cost, int]]:
    """The page of one instance and its form: cost, and number of queries."""
    ask = Requests(place, seconds)
    (one,) = place.ask("some_instances", number=1)
    paths = {"detail": one["url"], "form": f"{one['url']}edit/"}
    costs = in_turns({name: ask.work(path) for name, path in paths.items()}, rounds)
    return {
        name: (
            costs[name],
            place.ask("look", path=path, session=place.sessions[0])["queries"],
        )
        for name, path in paths.items()
    }
