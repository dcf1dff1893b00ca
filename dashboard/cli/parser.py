"""The options of each command."""

import argparse
import math
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from dashboard.version import VERSION

from . import commands, completion, costs, doctor
from .commands import FILTERS
from .moments import end_of

SINGLE = ("q", "stops_from", "stops_before", "sort")
"""Options that take one value; the other filters may be repeated."""

WAIT_SECONDS = 120


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _tag(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    if not key:
        raise ValueError(text)
    return key, value


def _edit_id(text: str) -> str:
    return str(UUID(text))


# For argparse's error messages.
_number.__name__ = "number"
_tag.__name__ = "tag"
_edit_id.__name__ = "ID"


def make_parser(prog: str, others: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        others: Commands that somebody else runs, by name: what each does.
    """
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Manage Curfew from a shell. Set CURFEW_URL and CURFEW_TOKEN "
        "first; “doctor” checks both.",
        allow_abbrev=False,
    )
    printing: dict[str, Any] = {"action": "store_true", "help": "print JSON"}
    parser.add_argument("--json", **printing)
    parser.add_argument("--version", action="version", version=VERSION)
    names = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Any, about: str) -> argparse.ArgumentParser:
        added = names.add_parser(
            name, help=about, description=about, allow_abbrev=False
        )
        added.set_defaults(run=run, alone=None)
        # A default would override a --json before the command.
        added.add_argument("--json", default=argparse.SUPPRESS, **printing)
        return added

    for name, run, about in (
        ("list", commands.list_, "List instances."),
        ("watch", commands.watch, "Show instances with live countdowns."),
    ):
        listing = command(name, run, about)
        for filter_name in (*FILTERS, "sort"):
            one = filter_name in SINGLE
            listing.add_argument(
                f"--{filter_name.replace('_', '-')}",
                action="store" if one else "append",
                help="same as the filter in the web interface"
                + ("" if one else "; can be repeated; !VALUE excludes"),
            )
    due_list = command("due", commands.due, "List instances that stop soon.")
    due_list.add_argument("--owner")
    due_list.add_argument("--team")
    due_list.add_argument("--cloud")
    command("policies", commands.list_policies, "List policies in their order.")
    command(
        "schedules", commands.list_schedules, "List schedules and their next moments."
    )
    command("overrides", commands.list_overrides, "List the overrides in effect.")
    costs.add_to(command)
    setting = command("set", commands.set_, "Change settings of an instance.")
    setting.add_argument(
        "--hours", type=_number, help="auto-stop after this many hours"
    )
    setting.add_argument("--auto-stop", choices=["on", "off"])
    setting.add_argument("--description")
    setting.add_argument("--name", help="of a notebook")
    setting.add_argument(
        "--tag",
        action="append",
        type=_tag,
        default=[],
        metavar="KEY=VALUE",
        help="set a tag of a notebook; can be repeated",
    )
    setting.add_argument(
        "--remove-tag", action="append", default=[], metavar="KEY", help="likewise"
    )
    starting = command("start", commands.power, "Start an instance.")
    run_time = starting.add_mutually_exclusive_group()
    run_time.add_argument(
        "--hours", type=_number, help="run time of a notebook (default: 1)"
    )
    run_time.add_argument(
        "--no-auto-stop", action="store_true", help="a notebook's run without end"
    )
    extending = command(
        "extend", commands.extend, "Extend the current run of a notebook."
    )
    end = extending.add_mutually_exclusive_group(required=True)
    end.add_argument("--hours", type=_number, help="the end, hours from now")
    end.add_argument(
        "--until",
        type=end_of,
        metavar="TIME",
        help="the end: 18:00 (the next one), or a date and a time (local)",
    )
    end.add_argument(
        "--idle-hours", type=_number, help="end once it is not used for so many hours"
    )
    for name, about in (
        ("keep", "Keep an instance running, whatever schedules say."),
        ("skip", "Skip the next stop of an instance by its schedule."),
        ("ignore", "Ignore schedules for an instance."),
    ):
        overriding = command(name, commands.override, about)
        completion.add_instance(overriding)
        overriding.add_argument(
            "--end", action="store_true", help="end it: schedules apply again"
        )
        overriding.add_argument(
            "--reason", default="", help="required beyond the policies"
        )
        if name == "skip":
            continue
        overriding.add_argument(
            "--until",
            type=end_of,
            metavar="TIME",
            help="18:00 (the next one), or a date and a time (local)",
        )
        if name == "keep":
            overriding.add_argument(
                "--starts-again",
                action="store_true",
                help="start it again after an auto-stop that cannot be moved; what is "
                "in memory is lost",
            )
    stopping = command("stop", commands.power, "Stop an instance.")
    restarting = command(
        "restart",
        commands.restart,
        "Stop an instance and start it with its new auto-stop.",
    )
    undoing = command(
        "undo", commands.undo, "Undo a change; the undo of a start is a stop."
    )
    undoing.add_argument("edit", type=_edit_id, metavar="ID", help="of the change")
    command(
        "questions", commands.questions, "List questions whether runs are still needed."
    )
    answering = command(
        "answer", commands.answer, "Answer such a question about an instance."
    )
    for stops in (stopping, restarting, undoing, answering):
        stops.add_argument(
            "-y", "--yes", action="store_true", help="skip the confirmation"
        )
    for changing in (setting, starting, stopping, restarting, extending, answering):
        completion.add_instance(changing)
    answering.add_argument("answer", choices=["yes", "stop"])
    for writing in (
        setting,
        starting,
        stopping,
        restarting,
        extending,
        undoing,
        answering,
    ):
        writing.add_argument(
            "--wait", action="store_true", help="wait until the change is completed"
        )
        writing.add_argument(
            "--timeout",
            type=_number,
            default=WAIT_SECONDS,
            metavar="SECONDS",
            help="how long to wait (%(default)s)",
        )
    diagnosis = command("doctor", None, "Check the address, the token and the site.")
    diagnosis.set_defaults(alone=doctor.doctor)
    completing = command("completion", None, "Print the completion script of a shell.")
    completing.set_defaults(alone=completion.completion)
    completing.add_argument("shell", choices=completion.SHELLS)
    for name, about in others.items():
        names.add_parser(name, help=about, add_help=False)
    return parser
