"""What became of an edit, in words: true of the cloud, not only of our queue."""

from typing import NamedTuple

from django.utils.translation import gettext, gettext_noop

from dashboard.web.templatetags.pages import moment_text

from .models import NEXT_START_FIELDS, Edit
from .wording import field_label, in_order

State = Edit.State
Outcome = Edit.Outcome
CHECKED = gettext_noop("An earlier attempt may still be applied; Curfew is checking.")

_SENTENCES: dict[tuple[str, str], str] = {
    (State.QUEUED, ""): gettext_noop(
        "Waiting for its turn; it goes out within seconds."
    ),
    (State.SENDING, ""): gettext_noop("On its way to ModelArts now."),
    (State.RETRYING, ""): gettext_noop(
        "Not confirmed by ModelArts yet. Curfew retries until %(deadline)s."
    ),
    (State.APPLIED, ""): gettext_noop(
        "Done: ModelArts holds what was asked, as read back from it."
    ),
    (State.APPLIED, Outcome.APPLIED_LATE): gettext_noop(
        "Applied late: ModelArts made this change after Curfew had reported another "
        "result."
    ),
    (State.APPLIED, Outcome.REPLACED): gettext_noop(
        "Applied, then replaced by another change before it took effect."
    ),
    (State.APPLIED, Outcome.OVERWRITTEN): gettext_noop(
        "Applied, then overwritten by an older change that arrived late. Curfew does "
        "not repeat it any more."
    ),
    (State.FAILED, ""): gettext_noop("Failed. Curfew is no longer retrying."),
    (State.FAILED, Outcome.UNCONFIRMED): gettext_noop(
        "Failed, but an attempt may still be applied. Curfew is checking."
    ),
    (State.FAILED, Outcome.NOT_SEEN): gettext_noop(
        "Failed. It was not applied when Curfew last checked."
    ),
    (State.FAILED, Outcome.RESTORED): gettext_noop(
        "Failed. An attempt was applied late, and Curfew put the newer value back."
    ),
    (State.CONFLICT, ""): gettext_noop(
        "Not applied: somebody else changed the same setting first."
    ),
    (State.CONFLICT, Outcome.UNCONFIRMED): gettext_noop(
        "Not applied: somebody else changed the same setting first. An earlier attempt "
        "may still be applied; Curfew is checking, and then puts the newer value back."
    ),
    (State.CONFLICT, Outcome.NOT_SEEN): gettext_noop(
        "Not applied: somebody else changed the same setting first. An earlier attempt "
        "was not applied when Curfew last checked."
    ),
    (State.CONFLICT, Outcome.RESTORED): gettext_noop(
        "Not applied: somebody else changed the same setting first. An earlier attempt "
        "was applied late, and Curfew put the newer value back."
    ),
    (State.SUPERSEDED, ""): gettext_noop(
        "Replaced by a later change of the same settings."
    ),
    (State.CANCELLED, ""): gettext_noop("Cancelled. ModelArts has not applied it."),
    (State.CANCELLED, Outcome.UNCONFIRMED): gettext_noop(
        "Cancelled, but an earlier attempt may still be applied. Curfew is checking, "
        "and then puts the earlier value back."
    ),
    (State.CANCELLED, Outcome.NOT_SEEN): gettext_noop(
        "Cancelled. An earlier attempt was not applied when Curfew last checked."
    ),
    (State.CANCELLED, Outcome.RESTORED): gettext_noop(
        "Cancelled. An earlier attempt was applied late, and Curfew put the earlier "
        "value back."
    ),
}
"""By state and outcome; an outcome that is not listed adds nothing to its state."""

_POWER_SENTENCES: dict[tuple[str, str], str] = {
    (State.APPLIED, ""): gettext_noop("Done: ModelArts has accepted it."),
    (State.APPLIED, Outcome.APPLIED_LATE): gettext_noop(
        "Carried out late: ModelArts did it after Curfew had reported another result."
    ),
    (State.APPLIED, Outcome.OVERWRITTEN): gettext_noop(
        "Done, then undone by an earlier stop of Curfew's that arrived late."
    ),
    (State.FAILED, Outcome.RESTORED): gettext_noop(
        "Failed. An attempt was carried out late, and Curfew stopped the instance "
        "again."
    ),
    (State.CONFLICT, ""): gettext_noop(
        "Not done: the instance's status changed first."
    ),
    (State.SUPERSEDED, ""): gettext_noop("Replaced by a later start or stop."),
    (State.CANCELLED, ""): gettext_noop("Cancelled. ModelArts has not done it."),
    (State.CANCELLED, Outcome.UNCONFIRMED): gettext_noop(
        "Cancelled, but an earlier attempt may still be carried out. Curfew is "
        "checking."
    ),
    (State.CANCELLED, Outcome.RESTORED): gettext_noop(
        "Cancelled. An earlier attempt was carried out late, and Curfew stopped the "
        "instance again."
    ),
}
_BEFORE_SENDING = gettext_noop("Cancelled before it was sent.")
_HELD = gettext_noop(
    "On hold since %(since)s: %(cloud)s does not answer. Curfew tries until "
    "%(deadline)s."
)
_OTHERS_CHANGE = gettext_noop("%(field)s was replaced by %(username)s's change.")
_OUTSIDE = gettext_noop("%(field)s was replaced outside Curfew.")
_NEXT_STEPS: dict[str, str] = {
    State.FAILED: gettext_noop("Fix the cause and retry, or edit again."),
    State.CONFLICT: gettext_noop(
        "Compare the values, then overwrite or discard your change."
    ),
}
_NEXT_START = gettext_noop(
    "The new auto-stop counts from the next start; the present run is not touched."
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

    label: str
    icon: str
    tone: str


_WAITING = frozenset({State.QUEUED, State.RETRYING})
_LOOKS: dict[str, Look] = {
    Outcome.APPLIED_LATE: Look(gettext_noop("Applied late"), "check", "warn"),
    Outcome.REPLACED: Look(gettext_noop("Replaced"), "replace", "rest"),
    Outcome.OVERWRITTEN: Look(gettext_noop("Overwritten"), "replace", "warn"),
}


def look(edit: Edit) -> Look:
    """How the state of an edit is shown."""
    if edit.state == State.APPLIED and (other := _LOOKS.get(edit.outcome)):
        return other._replace(label=gettext(other.label))
    if edit.replaced_outside:
        other = _LOOKS[Outcome.REPLACED]
        return other._replace(label=gettext(other.label))
    label = str(edit.get_state_display())
    if edit.is_unconfirmed and not edit.is_open and edit.state != State.SUPERSEDED:
        label = gettext("%(state)s, being checked") % {"state": label}
    return Look(label, _ICONS[edit.state], _TONES[edit.state])


def sentence(edit: Edit) -> str:
    """The state in plain sentences, for ``Edit.message`` to follow."""
    cloud = edit.instance.cloud
    if edit.state in _WAITING and cloud.held_since:
        return gettext(_HELD) % {
            "since": moment_text(cloud.held_since, "time"),
            "cloud": cloud.name,
            "deadline": moment_text(edit.deadline_at, "time"),
        }
    if edit.state == State.CANCELLED and not edit.attempts:
        return gettext(_BEFORE_SENDING)
    said = [gettext(_sentence(edit)) % {"deadline": _time(edit)}]
    if edit.state == State.RETRYING and edit.is_unconfirmed:
        said.append(gettext(CHECKED))
    if edit.state == State.APPLIED:
        said += _replacements(edit)
    if edit.waits_for_next_start:
        said.append(gettext(_NEXT_START))
    return " ".join(said)


def _sentence(edit: Edit) -> str:
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
    return [
        gettext(_OTHERS_CHANGE if entry.get("by") else _OUTSIDE)
        % {"field": field_label(name), "username": entry.get("by", "")}
        for name, entry in in_order(replaced)
    ]


def next_step(edit: Edit) -> str:
    """The way on, for a state that needs one; else empty."""
    undone = edit.state == State.APPLIED and edit.outcome == Outcome.OVERWRITTEN
    if edit.kind != Edit.Kind.UPDATE and (edit.state in _NEXT_STEPS or undone):
        return gettext(
            "Look at the instance's present state, and try again if it still fits."
        )
    if undone:
        return gettext("Edit the instance again if it should still have your value.")
    return gettext(step) if (step := _NEXT_STEPS.get(edit.state)) else ""
