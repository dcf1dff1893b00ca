"""The commands and their arguments."""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TextIO

from . import config
from .client import Api, path_of
from .errors import Code, CommandError
from .show import clean, row, table
from .watch import Watch

FILTERS = (
    *("q", "status", "autostop", "flavor_type", "flavor", "owner", "cloud"),
    *("workspace", "stops_from", "stops_before"),
)
WAIT_SECONDS = 120
_LOOK_AGAIN_SECONDS = 1.0
_CLEAR = "\033[H\033[J"

type Json = dict[str, Any]


def main(arguments: Sequence[str] | None = None, *, prog: str = "curfew") -> int:
    """Run one command; what went wrong is a sentence on standard error.

    Args:
        arguments: None for those of this process.
        prog: How it was called, for the usage.
    """
    asked = _parser(prog).parse_args(arguments)
    try:
        with Api(config.read()) as api:
            run: Callable[[Api, argparse.Namespace], Code] = asked.run
            return run(api, asked)
    except CommandError as error:
        _say([clean(str(error))], sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return Code.INTERRUPTED


def list_(api: Api, asked: argparse.Namespace) -> Code:
    """List instances."""
    items = list(api.pages("/instances", _query(asked)))
    _tell(asked, items, lambda: table(row(one, _now_ms()) for one in items))
    return Code.DONE


def due(api: Api, asked: argparse.Namespace) -> Code:
    """Print what stops soon, bucket by bucket."""
    query = {name: value for name in ("owner", "cloud") if (value := vars(asked)[name])}
    told = api.get("/due", query) or {}

    def lines() -> list[str]:
        said = []
        for bucket in told["buckets"]:
            said.append(f"{bucket['label']} ({bucket['total']})")
            if bucket["items"]:
                said += table(row(one, _now_ms()) for one in bucket["items"])
            said.append("")
        return said[:-1]

    _tell(asked, told, lines)
    return Code.DONE


def set_(api: Api, asked: argparse.Namespace) -> Code:
    """Change settings of an instance, on what they are now."""
    change: Json = {}
    if asked.hours is not None:
        change["auto_stop_hours"] = asked.hours
    if asked.auto_stop is not None:
        change["auto_stop_enable"] = asked.auto_stop == "on"
    if asked.description is not None:
        change["description"] = asked.description
    if not change:
        raise CommandError(Code.USAGE, "Nothing to change. See --help for the options.")
    one = api.find(asked.instance)
    path = path_of(one["cloud"], one["instance_id"])
    edit = api.write("PATCH", path, change | {"seen": one["seen"]})
    return _follow(api, asked, edit)


def power(api: Api, asked: argparse.Namespace) -> Code:
    """Start or stop an instance; a stop is confirmed first."""
    one = api.find(asked.instance)
    if asked.command == "stop" and not (asked.yes or _is_confirmed(one)):
        _say(["Cancelled."], sys.stderr)
        return Code.NOT_APPLIED
    path = path_of(one["cloud"], one["instance_id"])
    return _follow(api, asked, api.write("POST", f"{path}/{asked.command}"))


def watch(api: Api, asked: argparse.Namespace) -> Code:
    """Show a live table until Ctrl-C; without a terminal, a table for each change.

    As JSON, each change is one line with all instances.
    """
    view = Watch(api, _query(asked))
    live = sys.stdout.isatty()
    while True:
        is_new = view.step()
        if asked.json:
            if is_new:
                _say([json.dumps(view.items)])
        elif is_new or live:
            _say([_CLEAR if live else "", *view.lines()])
        time.sleep(1)


def _is_confirmed(one: Json) -> bool:
    """Whether the person at the terminal says that this is the one to stop."""
    if not sys.stdin.isatty():
        said = "Cannot ask for confirmation without a terminal. Add --yes."
        raise CommandError(Code.USAGE, said)
    since = _local(one["run_started_at"])
    lines = (
        f"{one['name'] or one['instance_id']} ({one['status_text']})",
        f"  in     {one['cloud']}/{one['instance_id']}",
        f"  owner  {one['owner']['name'] or one['owner']['id']}",
        f"  runs   on {one['flavor']}" + (f", since {since}" if since else ""),
        "Files outside the work directory will be lost. Stop? [y/N] ",
    )
    sys.stderr.write("\n".join(clean(line) for line in lines))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _local(moment: str | None) -> str:
    if not moment:
        return ""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M %Z}"


def _follow(api: Api, asked: argparse.Namespace, edit: Json | None) -> Code:
    if edit is None:
        _tell(asked, None, lambda: ["Already set. Nothing to do."])
        return Code.DONE
    until = time.monotonic() + asked.timeout
    while asked.wait and edit["is_open"] and time.monotonic() < until:
        time.sleep(_LOOK_AGAIN_SECONDS)
        edit = api.get(f"/edits/{edit['id']}") or edit
    told = edit
    _tell(asked, told, lambda: _of_edit(told))
    if told["is_open"]:
        return Code.STILL_OPEN if asked.wait else Code.DONE
    return Code.DONE if told["state"] == "applied" else Code.NOT_APPLIED


def _of_edit(edit: Json) -> list[str]:
    said = (edit["sentence"], edit["message"], edit["next_step"])
    return [f"{edit['instance_name']}: {' '.join(filter(None, said))}", edit["id"]]


def _tell(asked: argparse.Namespace, told: Any, lines: Callable[[], list[str]]) -> None:
    if asked.json:
        _say([json.dumps(told, indent=2)])
    else:
        _say([clean(line) for line in lines()])


def _say(lines: Sequence[str], to: TextIO | None = None) -> None:
    stream = to or sys.stdout
    stream.write("\n".join(lines) + "\n")
    stream.flush()


def _query(asked: argparse.Namespace) -> dict[str, str]:
    values = vars(asked)
    return {name: values[name] for name in (*FILTERS, "sort") if values[name]}


def _now_ms() -> int:
    return int(time.time() * 1_000)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


_number.__name__ = "number"  # so argparse calls what it is not


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Manage Curfew from a shell. Set CURFEW_URL and CURFEW_TOKEN "
        "first.",
        allow_abbrev=False,
    )
    printing: dict[str, Any] = {"action": "store_true", "help": "print JSON"}
    parser.add_argument("--json", **printing)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Any, about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=about, description=about, allow_abbrev=False
        )
        added.set_defaults(run=run)
        # Without a default of its own, which would undo the one before the command.
        added.add_argument("--json", default=argparse.SUPPRESS, **printing)
        return added

    for name, run, about in (
        ("list", list_, "List instances."),
        ("watch", watch, "Show instances with live countdowns."),
    ):
        listing = command(name, run, about)
        for each in (*FILTERS, "sort"):
            listing.add_argument(
                f"--{each.replace('_', '-')}",
                help="same as the filter in the web interface",
            )
    soon = command("due", due, "List instances that stop soon.")
    soon.add_argument("--owner")
    soon.add_argument("--cloud")
    setting = command("set", set_, "Change settings of an instance.")
    setting.add_argument(
        "--hours", type=_number, help="auto-stop after this many hours"
    )
    setting.add_argument("--auto-stop", choices=["on", "off"])
    setting.add_argument("--description")
    acts = [setting]
    acts.append(command("start", power, "Start an instance."))
    stopping = command("stop", power, "Stop an instance.")
    stopping.add_argument(
        "-y", "--yes", action="store_true", help="skip the confirmation"
    )
    acts.append(stopping)
    for act in acts:
        act.add_argument("instance", help="cloud/id, id or name")
        act.add_argument(
            "--wait", action="store_true", help="wait until the change is completed"
        )
        act.add_argument(
            "--timeout",
            type=_number,
            default=WAIT_SECONDS,
            metavar="SECONDS",
            help="how long to wait (%(default)s)",
        )
    return parser
