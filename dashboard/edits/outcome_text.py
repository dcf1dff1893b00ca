"""What became of an edit, in words: true of the cloud, not only of our queue."""

from collections.abc import Mapping
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from dashboard.policies.messages import POLICY
from dashboard.web.templatetags.pages import moment_text

from .display import field_label, in_order
from .models import NEXT_START_FIELDS, Edit

State = Edit.State
Outcome = Edit.Outcome
CHECKED = gettext_lazy("An earlier attempt may still be applied; Curfew is checking.")

_SENTENCES: dict[tuple[str, str], Promise] = {
    (State.QUEUED, ""): gettext_lazy("Queued. It will be sent in a few seconds."),
    (State.SENDING, ""): gettext_lazy("Sending to ModelArts…"),
    (State.RETRYING, ""): gettext_lazy(
        "Not confirmed by ModelArts yet. Curfew retries until %(deadline)s."
    ),
    (State.APPLIED, ""): gettext_lazy("Saved and confirmed by ModelArts."),
    (State.APPLIED, Outcome.APPLIED_LATE): gettext_lazy(
        "Applied late: ModelArts made this change after Curfew had reported another "
        "result."
    ),
    (State.APPLIED, Outcome.REPLACED): gettext_lazy(
        "Applied, then replaced by another change before it took effect."
    ),
    (State.APPLIED, Outcome.OVERWRITTEN): gettext_lazy(
        "Applied, then overwritten by an older change that arrived late. Curfew does "
        "not repeat it any more."
    ),
    (State.FAILED, ""): gettext_lazy("Failed. Curfew is no longer retrying."),
    (State.FAILED, Outcome.UNCONFIRMED): gettext_lazy(
        "Failed, but an attempt may still be applied. Curfew is checking."
    ),
    (State.FAILED, Outcome.NOT_SEEN): gettext_lazy(
        "Failed. It was not applied when Curfew last checked."
    ),
    (State.FAILED, Outcome.RESTORED): gettext_lazy(
        "Failed. An attempt was applied late, and Curfew put the newer value back."
    ),
    (State.CONFLICT, ""): gettext_lazy("Not applied: another change came first."),
    (State.CONFLICT, Outcome.UNCONFIRMED): gettext_lazy(
        "Not applied: somebody else changed the same setting first. An earlier attempt "
        "may still be applied; Curfew is checking, and then puts the newer value back."
    ),
    (State.CONFLICT, Outcome.NOT_SEEN): gettext_lazy(
        "Not applied: somebody else changed the same setting first. An earlier attempt "
        "was not applied when Curfew last checked."
    ),
    (State.CONFLICT, Outcome.RESTORED): gettext_lazy(
        "Not applied: somebody else changed the same setting first. An earlier attempt "
        "was applied late, and Curfew put the newer value back."
    ),
    (State.SUPERSEDED, ""): gettext_lazy(
        "Replaced by a later change of the same settings."
    ),
    (State.CANCELLED, ""): gettext_lazy("Cancelled. ModelArts has not applied it."),
    (State.CANCELLED, Outcome.UNCONFIRMED): gettext_lazy(
        "Cancelled, but an earlier attempt may still be applied. Curfew is checking, "
        "and then puts the earlier value back."
    ),
    (State.CANCELLED, Outcome.NOT_SEEN): gettext_lazy(
        "Cancelled. An earlier attempt was not applied when Curfew last checked."
    ),
    (State.CANCELLED, Outcome.RESTORED): gettext_lazy(
        "Cancelled. An earlier attempt was applied late, and Curfew put the earlier "
        "value back."
    ),
}
"""By state and outcome; an outcome that is not listed adds nothing to its state."""

_POWER_SENTENCES: dict[tuple[str, str], Promise] = {
    (State.APPLIED, ""): gettext_lazy("Accepted by ModelArts."),
    (State.APPLIED, Outcome.APPLIED_LATE): gettext_lazy(
        "Carried out late: ModelArts did it after Curfew had reported another result."
    ),
    (State.APPLIED, Outcome.OVERWRITTEN): gettext_lazy(
        "Done, then undone by an earlier stop of Curfew's that arrived late."
    ),
    (State.FAILED, Outcome.RESTORED): gettext_lazy(
        "Failed. An attempt was carried out late, and Curfew stopped the instance "
        "again."
    ),
    (State.CONFLICT, ""): gettext_lazy(
        "Not done: the instance's status changed first."
    ),
    (State.SUPERSEDED, ""): gettext_lazy("Replaced by a later start or stop."),
    (State.CANCELLED, ""): gettext_lazy("Cancelled. Not carried out by ModelArts."),
    (State.CANCELLED, Outcome.UNCONFIRMED): gettext_lazy(
        "Cancelled, but an earlier attempt may still be carried out. Curfew is "
        "checking."
    ),
    (State.CANCELLED, Outcome.RESTORED): gettext_lazy(
        "Cancelled. An earlier attempt was carried out late, and Curfew stopped the "
        "instance again."
    ),
}
_BEFORE_SENDING = gettext_lazy("Cancelled before it was sent.")
_HELD = gettext_lazy(
    "On hold since %(since)s: %(cloud)s does not answer. Curfew tries until "
    "%(deadline)s."
)
_OTHERS_CHANGE = gettext_lazy("%(field)s was replaced by a change by %(username)s.")
_OUTSIDE = gettext_lazy("%(field)s was replaced outside Curfew.")
_NEXT_STEPS: dict[str, Promise] = {
    State.FAILED: gettext_lazy("Fix the cause and retry, or edit again."),
    State.CONFLICT: gettext_lazy(
        "Compare the values, then overwrite or discard your change."
    ),
}
_NEXT_START = gettext_lazy(
    "The new auto-stop applies from the next start. The current run is unchanged."
)
_ICONS: dict[str, str] = {
    State.QUEUED: "clock",
    State.SENDING: "send",
    State.RETRYING: "rotate-cw",
    State.APPLIED: "check",
    State.FAILED: "triangle-alert",
    State.CONFLICT: "git-compare",
    State.SUPERSEDED: "replace",
    State.CANCELLED: "undo-2",
}
_TONES: dict[str, str] = {
    State.QUEUED: "busy",
    State.SENDING: "busy",
    State.RETRYING: "warn",
    State.APPLIED: "good",
    State.FAILED: "bad",
    State.CONFLICT: "warn",
    State.SUPERSEDED: "rest",
    State.CANCELLED: "rest",
}


class Look(NamedTuple):
    """An edit's state for the eye: a word, a shape and a colour."""

    label: str | Promise
    icon: str
    tone: str


_WAITING = frozenset({State.QUEUED, State.RETRYING})
_LOOKS: dict[str, Look] = {
    Outcome.APPLIED_LATE: Look(gettext_lazy("Applied late"), "check", "warn"),
    Outcome.REPLACED: Look(gettext_lazy("Replaced"), "replace", "rest"),
    Outcome.OVERWRITTEN: Look(gettext_lazy("Overwritten"), "replace", "warn"),
}


def look(edit: Edit) -> Look:
    """How the state of an edit is shown."""
    if edit.state == State.APPLIED and (other := _LOOKS.get(edit.outcome)):
        return other
    if edit.replaced_outside:
        return _LOOKS[Outcome.REPLACED]
    label = str(edit.get_state_display())
    if edit.is_unconfirmed and not edit.is_open and edit.state != State.SUPERSEDED:
        label = gettext("%(state)s, being checked") % {"state": label}
    return Look(label, _ICONS[edit.state], _TONES[edit.state])


def sentence(edit: Edit) -> str:
    """The state in plain sentences, for ``Edit.message`` to follow."""
    cloud = edit.instance.cloud
    if edit.state in _WAITING and cloud.held_since:
        return _HELD % {
            "since": moment_text(cloud.held_since, "time"),
            "cloud": cloud.name,
            "deadline": moment_text(edit.deadline_at, "time"),
        }
    if edit.state == State.CANCELLED and not edit.attempts:
        return str(_BEFORE_SENDING)
    said = [_sentence(edit) % {"deadline": _time(edit)}]
    if edit.state == State.RETRYING and edit.is_unconfirmed:
        said.append(str(CHECKED))
    if edit.state == State.APPLIED:
        said += _replacements(edit)
    if edit.waits_for_next_start:
        said.append(str(_NEXT_START))
    return " ".join(said)


def _sentence(edit: Edit) -> Promise | str:
    tables = [_SENTENCES]
    if edit.kind != Edit.Kind.UPDATE:
        tables.insert(0, _POWER_SENTENCES)
    for outcome in (edit.outcome, ""):
        for table in tables:
            if found := table.get((edit.state, outcome)):
                return found
    return ""


def _time(edit: Edit) -> str:
    return moment_text(edit.deadline_at, "time") if edit.state == State.RETRYING else ""


def _replacements(edit: Edit) -> list[str]:
    """Which fields of an applied edit hold another value by now, and whose."""
    replaced = dict(edit.replaced)
    if edit.replaced_outside:
        replaced |= {
            name: {}
            for name in NEXT_START_FIELDS & edit.patch.keys()
            if getattr(edit.instance, name) != edit.patch[name]
        }
    return [_replacement(field_label(name), by) for name, by in in_order(replaced)]


def _replacement(field: str, by: Mapping[str, str]) -> str:
    policy = by.get("policy", "")
    username = str(POLICY(policy=policy)) if policy else by.get("by", "")
    if not username:
        return _OUTSIDE % {"field": field}
    return _OTHERS_CHANGE % {"field": field, "username": username}


def next_step(edit: Edit) -> str:
    """The way on, for a state that needs one; else empty."""
    undone = edit.state == State.APPLIED and edit.outcome == Outcome.OVERWRITTEN
    if edit.kind != Edit.Kind.UPDATE and (edit.state in _NEXT_STEPS or undone):
        return gettext(
            "Check the instance's current status, and retry if you still want this."
        )
    if undone:
        return gettext("Edit the instance again if it should still have your value.")
    return str(_NEXT_STEPS.get(edit.state, ""))
