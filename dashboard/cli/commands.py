import argparse
import json
import sys
import time

from .client import Api, Json, path_of
from .errors import Code, CommandError
from .output import print_, write
from .show import (
    clean,
    instances,
    late_stops,
    local,
    overrides,
    policies,
    schedules,
)
from .watch import Watch

FILTERS = (
    *("q", "status", "autostop", "flavor_type", "flavor", "owner", "team"),
    *("cloud", "workspace", "generation", "tag", "stops_from", "stops_before"),
)
_POLL_SECONDS = 1.0
_CLEAR_SCREEN = "\033[H\033[J"


def list_(api: Api, options: argparse.Namespace) -> Code:
    items = list(api.pages("/instances", _query(options)))
    print_(options, items, instances(items, _now_ms()))
    return Code.DONE


def due(api: Api, options: argparse.Namespace) -> Code:
    document = api.get("/due", _query(options)) or {}
    lines = []
    if document["late"]["total"]:
        lines.append(f"Late stops ({document['late']['total']})")
        lines += [*late_stops(document["late"]["items"]), ""]
    for lane in document["lanes"]:
        lines.append(f"{lane['label']} ({lane['total']})")
        if lane["items"]:
            lines += instances(lane["items"], _now_ms())
        lines.append("")
    print_(options, document, lines[:-1])
    return Code.DONE


def list_schedules(api: Api, options: argparse.Namespace) -> Code:
    document = api.get("/schedules") or {}
    print_(options, document, schedules(document["items"]))
    return Code.DONE


def list_policies(api: Api, options: argparse.Namespace) -> Code:
    document = api.get("/policies") or {}
    print_(options, document, policies(document["items"]))
    return Code.DONE


def list_overrides(api: Api, options: argparse.Namespace) -> Code:
    document = api.get("/overrides") or {}
    print_(options, document, overrides(document["items"]))
    return Code.DONE


def set_(api: Api, options: argparse.Namespace) -> Code:
    change: Json = {}
    if options.hours is not None:
        change["auto_stop_hours"] = options.hours
    if options.auto_stop is not None:
        change["auto_stop_enable"] = options.auto_stop == "on"
    if options.description is not None:
        change["description"] = options.description
    if options.name is not None:
        change["name"] = options.name
    has_tags = options.tag or options.remove_tag
    if not change and not has_tags:
        raise CommandError(Code.USAGE, "Nothing to change. See --help for the options.")
    instance = api.find(options.instance)
    if has_tags:
        change["tags"] = instance["tags"] | dict(options.tag)
        for key in options.remove_tag:
            change["tags"].pop(key, None)
    path = path_of(instance["cloud"], instance["instance_id"])
    edit = api.write("PATCH", path, change | {"seen": instance["seen"]})
    return _wait_for(api, options, edit)


def power(api: Api, options: argparse.Namespace) -> Code:
    """Start or stop an instance; ask for confirmation before a stop."""
    instance = api.find(options.instance)
    if options.command == "stop" and not _is_confirmed(options, instance):
        return Code.NOT_APPLIED
    body: Json = {}
    if options.command == "start" and options.hours is not None:
        body["hours"] = options.hours
    if options.command == "start" and options.no_auto_stop:
        body["no_auto_stop"] = True
    path = path_of(instance["cloud"], instance["instance_id"])
    edit = api.write("POST", f"{path}/{options.command}", body)
    return _wait_for(api, options, edit)


def restart(api: Api, options: argparse.Namespace) -> Code:
    """Stop an instance after confirmation, and start it again."""
    instance = api.find(options.instance)
    if not _is_confirmed(options, instance):
        return Code.NOT_APPLIED
    path = path_of(instance["cloud"], instance["instance_id"])
    stop = api.write("POST", f"{path}/restart") or {}
    until = time.monotonic() + options.timeout
    edit = _completed(api, options, stop, until)
    if options.wait and edit["state"] == "applied" and stop["start"]:
        start = api.get(f"/edits/{stop['start']}") or {}
        edit = _completed(api, options, start, until)
    return _report(options, edit)


def extend(api: Api, options: argparse.Namespace) -> Code:
    body: Json = {}
    if options.until is not None:
        body["until"] = options.until.isoformat()
    elif options.hours is not None:
        body["hours"] = options.hours
    else:
        body["idle_hours"] = options.idle_hours
    instance = api.find(options.instance)
    if seen := instance["lease_seen"]:
        body["seen"] = seen
    path = path_of(instance["cloud"], instance["instance_id"])
    return _wait_for(api, options, api.write("POST", f"{path}/extend", body))


def override(api: Api, options: argparse.Namespace) -> Code:
    """Keep an instance, skip its next stop or ignore schedules; or end that."""
    instance = api.find(options.instance)
    path = f"{path_of(instance['cloud'], instance['instance_id'])}/override"
    name = instance["name"] or instance["instance_id"]
    if options.end:
        api.write("DELETE", path, {})
        print_(options, None, [f"{name}: Schedules apply again."])
        return Code.DONE
    body: Json = {"kind": options.command}
    if options.command != "skip":
        if options.until is None:
            raise CommandError(Code.USAGE, "Say --until when, or --end.")
        body["until"] = options.until.isoformat()
    if options.command == "keep" and options.starts_again:
        body["starts_again"] = True
    if options.reason:
        body["reason"] = options.reason
    stored = api.write("POST", path, body) or {}
    print_(options, stored, [f"{name}: {_override_text(stored)}"])
    return Code.DONE


def _override_text(override: Json) -> str:
    if override["kind"] == "skip":
        return f"Skips the stop {local(override['skips'])}."
    verb = "Kept" if override["kind"] == "keep" else "Ignores schedules"
    return f"{verb} until {local(override['until'])}."


def undo(api: Api, options: argparse.Namespace) -> Code:
    """Undo a change; the undo of a start asks for confirmation before it stops."""
    edit = api.get(f"/edits/{options.edit}") or {}
    body: Json = {}
    if edit["kind"] == "start":
        path = path_of(edit["cloud"], edit["instance_id"])
        instance = api.get(path) or {}
        if not _is_confirmed(options, instance):
            return Code.NOT_APPLIED
        body["stop"] = True
    return _wait_for(api, options, api.write("POST", f"/edits/{edit['id']}/undo", body))


def questions(api: Api, options: argparse.Namespace) -> Code:
    """List the open questions whether runs are still needed."""
    asked = (api.get("/questions") or {})["items"]
    lines = [
        f"{item['instance_name'] or item['instance_id']}  "
        f"answer by {local(item['deadline'])}  {item['policy']}"
        for item in asked
    ]
    print_(options, asked, lines or ["No open questions."])
    return Code.DONE


def answer(api: Api, options: argparse.Namespace) -> Code:
    """Answer the open question about an instance."""
    instance = api.find(options.instance)
    key = "cloud", "instance_id"
    asked = (api.get("/questions") or {})["items"]
    for item in asked:
        if all(item[name] == instance[name] for name in key):
            is_stop = options.answer == "stop"
            if is_stop and not _is_confirmed(options, instance):
                return Code.NOT_APPLIED
            body = {"needed": not is_stop}
            path = f"/questions/{item['id']}/answer"
            answered = api.write("POST", path, body) or {}
            if answered["edit"]:
                return _wait_for(api, options, answered["edit"])
            print_(options, answered, ["The run goes on."])
            return Code.DONE
    raise CommandError(Code.NOT_APPLIED, "No open question about this instance.")


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
                write([json.dumps(view.items)])
        elif is_new or live:
            write([_CLEAR_SCREEN if live else "", *view.lines()])
        time.sleep(1)


def _is_confirmed(options: argparse.Namespace, instance: Json) -> bool:
    """Ask whether to stop an instance, unless the options say so."""
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise CommandError(
            Code.USAGE, "Cannot ask for confirmation without a terminal. Add --yes."
        )
    since = local(instance["run_started_at"])
    lines = (
        f"{instance['name'] or instance['instance_id']} ({instance['status_text']})",
        f"  in     {instance['cloud']}/{instance['instance_id']}",
        f"  owner  {instance['owner']['name'] or instance['owner']['id']}",
        f"  runs   on {instance['flavor']}" + (f", since {since}" if since else ""),
        "Files outside the work directory will be lost. "
        f"{'Restart' if options.command == 'restart' else 'Stop'}? [y/N] ",
    )
    sys.stderr.write("\n".join(clean(line) for line in lines))
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in {"y", "yes"}:
        return True
    write(["Cancelled."], sys.stderr)
    return False


def _wait_for(api: Api, options: argparse.Namespace, edit: Json | None) -> Code:
    if edit is None:
        print_(options, None, ["Already set. Nothing to do."])
        return Code.DONE
    until = time.monotonic() + options.timeout
    return _report(options, _completed(api, options, edit, until))


def _completed(api: Api, options: argparse.Namespace, edit: Json, until: float) -> Json:
    """Return the edit, with ``--wait`` once it has ended or the time is up."""
    while options.wait and edit["is_open"] and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        edit = api.get(f"/edits/{edit['id']}") or edit
    return edit


def _report(options: argparse.Namespace, edit: Json) -> Code:
    print_(options, edit, _edit_lines(edit))
    if edit["is_open"]:
        return Code.STILL_OPEN if options.wait else Code.DONE
    return Code.DONE if edit["state"] == "applied" else Code.NOT_APPLIED


def _edit_lines(edit: Json) -> list[str]:
    end = f"End: {local(edit['until'])}." if edit.get("until") else ""
    sentences = (edit["sentence"], end, edit["message"], edit["next_step"])
    return [f"{edit['instance_name']}: {' '.join(filter(None, sentences))}", edit["id"]]


def _query(options: argparse.Namespace) -> dict[str, str | list[str]]:
    values = vars(options)
    return {name: values[name] for name in (*FILTERS, "sort") if values.get(name)}


def _now_ms() -> int:
    return int(time.time() * 1_000)
