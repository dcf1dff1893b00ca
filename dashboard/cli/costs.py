"""The commands of costs."""

import argparse
from collections.abc import Callable
from typing import Any

from . import completion, cost_tables
from .client import Api
from .errors import Code
from .output import print_

FILTERS = ("cloud", "owner", "workspace", "flavor", "tag", "team")
_PERIOD = ("period", "since", "until")
PERIODS = ("this_week", "last_week", "this_month", "last_month")
DIMENSIONS = ("owner", "flavor", "workspace", "cloud", "tag")
ENDS = ("auto_stop", "person", "schedule", "policy", "curfew", "cloud", "unknown")

type Query = dict[str, str | list[str]]


def costs(api: Api, options: argparse.Namespace) -> Code:
    document = api.get("/costs", _query(options, "by", "tag_key", "step")) or {}
    print_(options, document, cost_tables.costs(document))
    return Code.DONE


def runs(api: Api, options: argparse.Namespace) -> Code:
    query = _query(options, "ended_by")
    if options.instance:
        instance = api.find(options.instance)
        query |= {"cloud": instance["cloud"], "instance": instance["instance_id"]}
    items = list(api.pages("/runs", query))
    print_(options, items, cost_tables.runs(items))
    return Code.DONE


def savings(api: Api, options: argparse.Namespace) -> Code:
    query = _query(options)
    document = api.get("/savings", query) or {}
    lines = cost_tables.savings(document)
    if options.stops:
        document["items"] = list(api.pages("/savings", query))
        lines += ["", *cost_tables.stops(document["items"])]
    print_(options, document, lines)
    return Code.DONE


def prices(api: Api, options: argparse.Namespace) -> Code:
    document = api.get("/prices") or {}
    print_(options, document, cost_tables.prices(document["items"]))
    return Code.DONE


def budgets(api: Api, options: argparse.Namespace) -> Code:
    document = api.get("/budgets") or {}
    print_(options, document, cost_tables.budgets(document["items"]))
    return Code.DONE


def add_to(command: Callable[[str, Any, str], argparse.ArgumentParser]) -> None:
    """Add the commands.

    Args:
        command: Adds one with its name, its function and what it does.
    """
    report = command("costs", costs, "Show hours and costs of a period.")
    listing = command("runs", runs, "List runs and what they cost.")
    saving = command("savings", savings, "Show what stops have saved.")
    command("prices", prices, "List the prices of flavors.")
    command("budgets", budgets, "List budgets and what is spent this month.")
    for counting in (report, listing, saving):
        counting.add_argument("--period", choices=PERIODS, help="default: this_month")
        counting.add_argument("--since", metavar="DAY", help="instead, with --until")
        counting.add_argument("--until", metavar="DAY", help="the last day")
        for name in FILTERS:
            hint = "KEY or KEY=VALUE" if name == "tag" else "only of this one"
            counting.add_argument(f"--{name}", help=hint)
    report.add_argument("--by", choices=DIMENSIONS, help="default: owner")
    report.add_argument("--tag-key", metavar="KEY", help="with --by tag")
    report.add_argument("--step", choices=("day", "week"), help="also print the trend")
    completion.add_instance(listing, nargs="?")
    listing.add_argument("--ended-by", choices=ENDS, help="only runs that ended so")
    saving.add_argument("--stops", action="store_true", help="also list the stops")


def _query(options: argparse.Namespace, *more: str) -> Query:
    values = vars(options)
    names = (*_PERIOD, *FILTERS, *more)
    return {name: values[name] for name in names if values.get(name)}
