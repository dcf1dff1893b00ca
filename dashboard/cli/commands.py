"""The commands, and the arguments that each takes."""

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
    """Run one command and return its exit code; print errors to standard error."""
    options = _parser(prog).parse_args(arguments)
    try:
        with Api(config.read()) as api:
            run: Callable[[Api, argparse.Namespace], Code] = options.run
            return run(api, options)
    except CommandError as error:
        _write([clean(str(error))], sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return Code.INTERRUPTED


def list_(api: Api, options: argparse.Namespace) -> Code:
    items = list(api.pages("/instances", _query(options)))
    _print(options, items, table(row(instance, _now_ms()) for instance in items))
    return Code.DONE


def due(api: Api, options: argparse.Namespace) -> Code:
    query = {
        name: value for name in ("owner", "cloud") if (value := vars(options)[name])
    }
    document = api.get("/due", query) or {}
    lines = []
    for bucket in document["buckets"]:
        lines.append(f"{bucket['label']} ({bucket['total']})")
        if bucket["items"]:
            lines += table(row(instance, _now_ms()) for instance in bucket["items"])
        lines.append("")
    _print(options, document, lines[:-1])
    return Code.DONE


def set_(api: Api, options: argparse.Namespace) -> Code:
    change: Json = {}
    if options.hours is not None:
        change["auto_stop_hours"] = options.hours
    if options.auto_stop is not None:
        change["auto_stop_enable"] = options.auto_stop == "on"
    if options.description is not None:
        change["description"] = options.description
    if not change:
        raise CommandError(Code.USAGE, "Nothing to change. See --help for the options.")
    instance = api.find(options.instance)
    path = path_of(instance["cloud"], instance["instance_id"])
    edit = api.write("PATCH", path, change | {"seen": instance["seen"]})
    return _follow(api, options, edit)


def power(api: Api, options: argparse.Namespace) -> Code:
    """Start or stop an instance; ask for confirmation before a stop."""
    instance = api.find(options.instance)
    if options.command == "stop" and not (options.yes or _is_confirmed(instance)):
        _write(["Cancelled."], sys.stderr)
        return Code.NOT_APPLIED
    path = path_of(instance["cloud"], instance["instance_id"])
    return _follow(api, options, api.write("POST", f"{path}/{options.command}"))


def watch(api: Api, options: argparse.Namespace) -> Code:
    """Show a live table until Ctrl-C; without a terminal, a table for each change.

    As JSON, each change is one line with all instances.
    """
    view = Watch(api, _query(options))
    live = sys.stdout.isatty()
    while True:
        is_new = view.step()
        if options.json:
            if is_new:
                _write([json.dumps(view.items)])
        elif is_new or live:
            _write([_CLEAR if live else "", *view.lines()])
        time.sleep(1)


def _is_confirmed(instance: Json) -> bool:
    if not sys.stdin.isatty():
        raise CommandError(
            Code.USAGE, "Cannot ask for confirmation without a terminal. Add --yes."
        )
    since = _local(instance["run_started_at"])
    lines = (
        f"{instance['name'] or instance['instance_id']} ({instance['status_text']})",
        f"  in     {instance['cloud']}/{instance['instance_id']}",
        f"  owner  {instance['owner']['name'] or instance['owner']['id']}",
        f"  runs   on {instance['flavor']}" + (f", since {since}" if since else ""),
        "Files outside the work directory will be lost. Stop? [y/N] ",
    )
    sys.stderr.write("\n".join(clean(line) for line in lines))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _local(moment: str | None) -> str:
    if not moment:
        return ""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M %Z}"


def _follow(api: Api, options: argparse.Namespace, edit: Json | None) -> Code:
    if edit is None:
        _print(options, None, ["Already set. Nothing to do."])
        return Code.DONE
    until = time.monotonic() + options.timeout
    while options.wait and edit["is_open"] and time.monotonic() < until:
        time.sleep(_LOOK_AGAIN_SECONDS)
        edit = api.get(f"/edits/{edit['id']}") or edit
    _print(options, edit, _edit_lines(edit))
    if edit["is_open"]:
        return Code.STILL_OPEN if options.wait else Code.DONE
    return Code.DONE if edit["state"] == "applied" else Code.NOT_APPLIED


def _edit_lines(edit: Json) -> list[str]:
    sentences = (edit["sentence"], edit["message"], edit["next_step"])
    return [f"{edit['instance_name']}: {' '.join(filter(None, sentences))}", edit["id"]]


def _print(
    options: argparse.Namespace, document: Json | list[Json] | None, lines: list[str]
) -> None:
    if options.json:
        _write([json.dumps(document, indent=2)])
    else:
        _write([clean(line) for line in lines])


def _write(lines: Sequence[str], to: TextIO | None = None) -> None:
    stream = to or sys.stdout
    stream.write("\n".join(lines) + "\n")
    stream.flush()


def _query(options: argparse.Namespace) -> dict[str, str]:
    values = vars(options)
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
