"""What was measured, as the lines of the table that the work is held to."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from .costs import DAYS
from .measure import Cost, exponent
from .size import growing

LIST = "list of 100 rows"
"""What pages about the whole fleet are compared with."""

MOST_SECONDS = 2
"""CPU of a page about 100,000 instances."""


class Line(NamedTuple):
    """One figure.

    Attributes:
        met: Whether it is within its target; None where there is none.
    """

    what: str
    shown: str
    target: str = ""
    met: bool | None = None


def at_most(what: str, value: float, most: float, shown: str = "") -> Line:
    """A figure that should not be larger."""
    return Line(what, shown or f"{value:.3g}", f"<= {most:g}", value <= most)


def at_least(what: str, value: float, least: float, shown: str = "") -> Line:
    """A figure that should not be smaller."""
    return Line(what, shown or f"{value:.3g}", f">= {least:g}", value >= least)


def lines(found: dict[str, Any]) -> list[Line]:
    """All of them, the largest fleet first."""
    fleets = {
        int(name.split()[-1]): value
        for name, value in found.items()
        if name.startswith("fleet of")
    }
    table: list[Line] = []
    for size in sorted(fleets, reverse=True):
        table += _fleet(f"{size:,}", fleets[size])
    if len(fleets) > 1:
        table += _growth(fleets)
    for name, draw in {
        "click": partial(_click, "click to PUT"),
        "extend": partial(_click, "click to PATCH of an extension"),
        "bulk": _bulk,
        "crowd": _crowd,
        "watchers": _watchers,
        "site": _site,
        "start": _start,
    }.items():
        if name in found:
            table += draw(found[name])
    for name, value in found.items():
        if name.startswith("bulk at "):
            table += _at_rate(value)
    for database in ("SQLite", "PostgreSQL"):
        table += _plans(database, found.get(f"plans, {database}", {}))
        for word, taken in found.get(f"search, {database}", {}).items():
            table += _search(f"search, {database}: {word}", taken)
        if year := found.get(f"year of costs, {database}"):
            table += _year(database, year)
        sizes = {
            int(name.split()[2].rstrip(",")): value
            for name, value in found.items()
            if name.startswith("size of") and name.endswith(database)
        }
        if sizes:
            table += _sizes(database, sizes)
    return table


def _fleet(size: str, fleet: dict[str, Any]) -> Iterator[Line]:
    quiet, plain, bare = (
        fleet[name] for name in ("quiet poll", "plain view", "bare constant")
    )
    rates = f"{quiet.rate:.0f}/s to "
    ratio = quiet.rate / plain.rate
    yield at_least(
        f"{size}: quiet poll / plain view, rate",
        ratio,
        5,
        f"{ratio:.1f}, {rates}{plain.rate:.0f}/s",
    )
    ratio = quiet.rate / bare.rate
    yield at_least(
        f"{size}: quiet poll / bare constant, rate",
        ratio,
        0.15,
        f"{ratio:.2f}, {rates}{bare.rate:.0f}/s",
    )
    for name, cost in fleet.items():
        if not isinstance(cost, Cost):
            continue
        shown = f"{cost.cpu_ms:.3f} ms CPU, {cost.rate:.0f}/s"
        if name == "poll, 5 rows changed":
            yield at_most(f"{size}: {name}", cost.cpu_ms, 2, shown)
        else:
            yield Line(f"{size}: {name}", shown)
    worst = max(ours.cpu_ms / admin.cpu_ms for ours, admin in fleet["lists"].values())
    yield at_most(
        f"{size}: worst list of 100 rows / admin", worst, 1 / 6, f"1/{1 / worst:.1f}"
    )
    for name, (ours, admin) in fleet["lists"].items():
        yield at_most(
            f"{size}: list {name} / admin",
            ours.cpu_ms / admin.cpu_ms,
            1 / 6,
            f"1/{admin.cpu_ms / ours.cpu_ms:.1f}, {ours.cpu_ms:.1f} to "
            f"{admin.cpu_ms:.1f} ms CPU",
        )
    for name, (cost, queries) in fleet["pages"].items():
        yield at_most(f"{size}: {name} page, ms CPU", cost.cpu_ms, 15)
        yield at_most(f"{size}: {name} page, queries", queries, 8)
    yield from _wide(size, fleet["wide"])
    refresh = fleet["refresh"]
    yield at_most(
        f"{size}: refresh / pydantic alone",
        refresh["ratio"],
        2.5,
        f"{refresh['ratio']:.2f}, {refresh['refresh_s']:.2f} s CPU",
    )
    writes = refresh["changed, and statements that write instances"]
    unchanged = [written for changed, written in writes if not changed]
    yield Line(
        f"{size}: refresh of an unchanged fleet, statements that write instances",
        f"{unchanged or 'never unchanged'}; changed and written: {writes}",
        "<= 0",
        not any(unchanged) if unchanged else None,
    )
    yield Line(f"{size}: refresh, peak memory", f"{refresh['peak_mb']:.0f} MB")
    sizes = fleet["bytes"]
    yield at_most(f"{size}: first visit without rows, kB", sizes["first_visit_kb"], 60)
    yield at_most(f"{size}: a quiet minute, kB", sizes["quiet_minute_kb"], 3)
    yield Line(
        f"{size}: the first quiet minute, kB", f"{sizes['first_quiet_minute_kb']:.3g}"
    )
    moved = {name: size / 1000 for name, size in fleet["moves"].items()}
    yield at_most(
        f"{size}: five rows of 100 moved, kB",
        moved["moves, gzip"],
        5,
        f"{moved['moves, gzip']:.1f}; all rows {moved['all, gzip']:.1f}; uncompressed "
        f"{moved['moves, identity']:.1f} and {moved['all, identity']:.1f}",
    )
    if "busy" in fleet:
        yield from _busy(size, fleet["busy"])
    if "click" in fleet:
        click = fleet["click"]["median_ms"]
        yield at_most(f"{size}: click to PUT, SQLite, median ms", click, 150)


def _wide(size: str, costs: dict[str, Cost]) -> Iterator[Line]:
    """Pages about the whole fleet, beside the list under the same condition."""
    for name, cost in costs.items():
        page, _, condition = name.partition(", ")
        base = ", ".join(filter(None, (LIST, condition)))
        if page != LIST:
            usual = costs[base]
            ratio = cost.cpu_ms / usual.cpu_ms
            shown = f"{ratio:.2f}, {cost.cpu_ms:.1f} to {usual.cpu_ms:.1f} ms CPU"
            yield at_most(f"{size}: {name} / {LIST}", ratio, 2, shown)


def _growth(fleets: dict[int, Any]) -> Iterator[Line]:
    def line(what: str, costs: dict[int, float], usual: str) -> Line:
        return Line(f"growth: {what}", f"n^{exponent(costs):.2f}", usual)

    some = next(iter(fleets.values()))
    for name in [name for name, cost in some.items() if isinstance(cost, Cost)]:
        costs = {size: fleet[name].cpu_ms for size, fleet in fleets.items()}
        yield line(name, costs, "n^0")
    for name in some["lists"]:
        costs = {size: fleet["lists"][name][0].cpu_ms for size, fleet in fleets.items()}
        yield line(f"list {name}", costs, "n^0")
    for name in some["pages"]:
        costs = {size: fleet["pages"][name][0].cpu_ms for size, fleet in fleets.items()}
        yield line(f"{name} page", costs, "n^0")
    for name in ("first_visit_kb", "quiet_minute_kb"):
        costs = {size: fleet["bytes"][name] for size, fleet in fleets.items()}
        yield line(f"bytes, {name}", costs, "n^0")
    if all("click" in fleet for fleet in fleets.values()):
        costs = {size: fleet["click"]["median_ms"] for size, fleet in fleets.items()}
        yield line("click to PUT", costs, "n^0")
    costs = {size: fleet["refresh"]["refresh_s"] for size, fleet in fleets.items()}
    yield line("refresh", costs, "n^1")


def _search(what: str, taken: dict[str, tuple[float, float]]) -> Iterator[Line]:
    for asked, (indexed, scanned) in taken.items():
        shown = f"{indexed:.1f}, {indexed / scanned:.3f} of a scan ({scanned:.0f})"
        if "every" in what:
            yield Line(f"{what}, {asked}, ms", shown)
        else:
            yield at_most(f"{what}, {asked}, ms", indexed, 5, shown)


def _year(database: str, year: dict[str, Any]) -> Iterator[Line]:
    seconds, cpu = year["seconds"], year["cpu_seconds"]
    base = seconds["baseline"]
    is_whole = year["days"] == DAYS
    rows = year["rows"]["UsageDay"]
    period = "year" if is_whole else f"{year['days']} days, {rows:,} rows"
    for name in [name for name in seconds if name != "baseline"]:
        shown = (
            f"{seconds[name]:.2f} s ({cpu[name]:.2f} s CPU), "
            f"{seconds[name] / base:.1f} times a sum"
        )
        what = f"{period} of costs, {database}: {name}"
        if name == "all" and is_whole:
            yield at_most(f"{what}, s", seconds[name], 1, shown)
        else:
            yield Line(f"{what}", shown)


def _sizes(database: str, sizes: dict[int, dict[str, Any]]) -> Iterator[Line]:
    """What each work costs with the largest fleet, and how that grows."""
    largest = sizes[max(sizes)]
    at = f"{max(sizes):,}, {database}"
    for name in growing(sizes):
        cost = largest[name]
        parts = {
            when: cost[when] for when in ("first", "again", "changed") if when in cost
        }
        parts = parts or {"": cost}
        shown = ", ".join(
            f"{when} {part['cpu']:.3f}".strip() for when, part in parts.items()
        )
        most = parts.get("changed") or next(iter(parts.values()))
        memory = max(part["mb"] for part in parts.values())
        grows = exponent({size: _usual(fleet[name]) for size, fleet in sizes.items()})
        what, text = f"{at}: {name}, s CPU", f"{shown}; {memory:.0f} MB; n^{grows:.2f}"
        if name.startswith(("task", "refresh", "bulk", "list as")):
            yield Line(what, text)
        else:
            yield at_most(what, most["cpu"], MOST_SECONDS, text)


def _site(site: dict[str, Any]) -> Iterator[Line]:
    """What one whole site needs, and what its people notice."""
    at = f"site of {site['instances']:,}"
    for name in ("cores", "most memory, MB", "first read, s CPU"):
        parts = (f"{part} {value:.3g}" for part, value in site[name].items())
        yield Line(f"{at}: {name}", ", ".join(parts))
    yield Line(f"{at}: first read, s", f"{site['first read, s']:.0f}")
    usual, oldest = site["age of the mirror, s"]
    shown = f"{oldest:.0f}, median {usual:.0f}"
    # A refresh of a cloud takes a while, and begins when it is due.
    most = 2 * site["refresh_seconds"]
    yield at_most(f"{at}: oldest copy of a cloud, s", oldest, most, shown)
    for name in ("polls", "list"):
        usual, worst = site[f"{name}, p50 and p99, ms"]
        shown = f"{worst:.0f}, p50 {usual:.1f}"
        yield at_most(f"{at}: {name}, p99 in ms", worst, 1_000, shown)
    statuses = {name: site[name] for name in ("poll statuses", "list statuses")}
    yield Line(f"{at}: answers", f"{statuses}")
    change = site["bulk change"]
    yield Line(f"{at}: bulk change of {site['edits']}", f"{change}")
    yield at_most(f"{at}: errors logged", len(site["error lines"]), 0)


def _usual(cost: dict[str, Any]) -> float:
    part = cost.get("changed") or cost.get("first") or cost
    return float(part["cpu"])


def _click(what: str, click: dict[str, Any]) -> Iterator[Line]:
    yield at_most(
        f"{what}, PostgreSQL, median ms",
        click["median_ms"],
        150,
        f"{click['median_ms']:.0f}, worst {click['worst_ms']:.0f}",
    )
    steps = ("accepted", "answered", "claimed", "authorized")
    yield Line(
        f"{what}, PostgreSQL, its steps, ms",
        ", ".join(f"{step} {click[f'{step}_ms']:.0f}" for step in steps),
    )


def _bulk(bulk: dict[str, Any]) -> Iterator[Line]:
    at = f"bulk of {bulk['edits']:,}"
    yield Line(
        f"{at}: select and preview, s", f"{bulk['selected_and_previewed_s']:.2f}"
    )
    yield at_most(f"{at}: confirm until the page answers, s", bulk["submit_s"], 2)
    yield Line(
        f"{at}: delivered, s",
        f"{bulk['delivered_s']:.1f}, {bulk['calls an edit']:.2f} calls an edit",
    )
    for calls in ("PUT", "GET, PUT", "GET, PUT, GET"):
        ratio, loop = bulk[f"ratio to {calls}"], bulk[f"loop of {calls}, s"]
        yield at_most(
            f"{at}: delivery / loop of {calls}",
            ratio,
            1.5,
            f"{ratio:.2f}, {loop:.1f} s",
        )
    yield Line(f"{at}: what became of them", json.dumps(bulk["states"]))


def _at_rate(bulk: dict[str, Any]) -> Iterator[Line]:
    at = f"bulk of {bulk['edits']:,} at {bulk['rate']} requests/s"
    yield at_most(
        f"{at}: delivery / loop of PUT",
        bulk["ratio"],
        1.1,
        f"{bulk['ratio']:.2f}, {bulk['delivered_s']:.1f} to {bulk['loop_s']:.1f} s",
    )
    calls = ", ".join(f"{route} {count}" for route, count in bulk["calls"].items())
    yield Line(f"{at}: calls; what became of them", f"{calls}; {bulk['states']}")


BUSY = {
    "busy": ("quiet", "a description elsewhere, shared pages"),
    "busy, alone": ("quiet, alone", "a description elsewhere, a page for each"),
    "owners, alone": ("quiet, alone", "an owner elsewhere, a page for each"),
}


def _busy(size: str, busy: dict[str, Any]) -> Iterator[Line]:
    """Polls while something changes elsewhere, beside those while nothing does."""
    costs, statuses = busy["costs"], busy["statuses"]
    for case, (usual, change) in BUSY.items():
        ours, quiet = costs[case], costs[usual]
        ratio = ours.cpu_ms / quiet.cpu_ms
        shown = f"{ratio:.2f}, {ours.cpu_ms:.3f} to {quiet.cpu_ms:.3f} ms CPU"
        shown += f", {json.dumps(statuses[case])}"
        what = f"{size}: each second {change} / quiet"
        yield at_most(what, ratio, 2, shown)


def _crowd(seen: dict[str, Any]) -> Iterator[Line]:
    at = f"{seen['watchers']} watchers, a change elsewhere each second"
    yield Line(f"{at}: polls", f"{seen['polls']}, {json.dumps(seen['statuses'])}")
    yield at_most(f"{at}: errors", seen["errors"], 0)
    p99 = seen["poll_p99_ms"]
    half = f"{p99:.0f}, half of them within {seen['poll_p50_ms']:.1f}"
    yield at_most(f"{at}: p99 of a poll, ms", p99, 250, half)
    yield Line(f"{at}: slowest page, ms", f"{seen['page_worst_ms']:.0f}")


def _watchers(seen: dict[str, Any]) -> Iterator[Line]:
    at = f"{seen['watchers']} watchers, {seen['seconds']:.0f} s"
    yield Line(f"{at}: polls", f"{seen['polls']}, {json.dumps(seen['statuses'])}")
    yield at_most(f"{at}: errors", seen["errors"], 0)
    p99, page = seen["poll_p99_ms"], seen["page_worst_ms"]
    half = f"{p99:.0f}, half of them within {seen['poll_p50_ms']:.1f}"
    yield at_most(f"{at}: p99 of a poll, ms", p99, 250, half)
    yield at_most(f"{at}: slowest page, ms", page, 1000, f"{page:.0f}")
    alone, watched = (
        seen[f"listings a minute {how} watchers"] for how in ("without", "with")
    )
    yield at_most(
        f"{at}: listings a minute, with / without",
        watched,
        max(alone * 1.5, alone + 1),
        f"{watched:.1f} / {alone:.1f}",
    )
    yield Line(f"{at}: what became of the edits", json.dumps(seen["edits"]))


def _start(start: dict[str, Any]) -> Iterator[Line]:
    yield at_most("demo's first page, s", start["demo_first_page_s"], 20)
    slowest = ", ".join(
        f"{name} {ms:.0f}" for name, ms in start["slowest imports, ms"].items()
    )
    yield Line(
        "import of the web process, s",
        f"{start['import_s']:.2f}, {start['import_cpu_s']:.2f} of CPU",
    )
    yield Line("slowest imports, ms", slowest)


def _plans(database: str, plans: dict[str, Any]) -> Iterator[Line]:
    for query, seen in plans.items():
        scans = "; ".join(sorted(seen["scans"]))
        rows = [plan for kind, plan in seen["plans"] if kind == "rows"]
        searched = query.startswith("q=")
        yield Line(
            f"{database}, list {query}",
            f"{seen['queries']} queries, then {seen['again']}; "
            + (f"whole table: {scans}" if scans else "no whole table")
            + (f"; rows: {rows[0][0]}" if rows and rows[0] else ""),
            "rows by an index" if not searched else "a search reads all",
            None if searched else not any(kind == "rows" for kind in seen["scans"]),
        )
