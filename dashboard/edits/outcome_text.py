"""The state and outcome of an edit, in sentences that claim only what Curfew knows."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy as _

from dashboard.instances.countdown import StatusBadge
from dashboard.policies.messages import POLICY
from dashboard.schedules.messages import SCHEDULE
from dashboard.web.templatetags.pages import moment_text

from .display import field_label, in_order
from .models import NEXT_START_FIELDS, Edit

State = Edit.State
Outcome = Edit.Outcome

_SENTENCES: dict[str, Promise | str] = {
    State.QUEUED: _("It will be sent in a few seconds."),
    State.SENDING: _("Sending to ModelArts…"),
    State.RETRYING: _(
        "Not confirmed by ModelArts yet. Curfew retries until %(deadline)s."
    ),
    State.APPLIED: _("Saved and confirmed by ModelArts."),
    State.FAILED: _("Failed."),
    State.CONFLICT: _("Not applied: another change came first."),
    State.SUPERSEDED: _("Superseded by a later change of the same settings."),
    # ``Edit.message`` says who cancelled or discarded it.
    State.CANCELLED: "",
}
_POWER_SENTENCES: dict[str, Promise | str] = {
    State.APPLIED: _("Accepted by ModelArts."),
    State.CONFLICT: _("Not done: the instance's status changed first."),
    State.SUPERSEDED: _("Superseded by a later start or stop."),
}
_LEASE_SENTENCES: dict[str, Promise | str] = {
    State.APPLIED: _("Confirmed by ModelArts: the run lasts at least that long."),
    State.CONFLICT: _("Not done: the end of the run was changed first."),
    State.SUPERSEDED: _("Superseded by a later request for another end."),
}
_IDLE_APPLIED = _("Confirmed by ModelArts: the run ends once nobody uses it.")
_WAITING_FOR_STOP = _(
    "Curfew sends it once the instance has stopped, and does not stop it for that. It "
    "waits until %(deadline)s."
)
_STARTS_AGAIN = _("Curfew starts it once it has stopped, until %(deadline)s.")
_APPLIED_SENTENCES: dict[str, Promise | str] = {
    Outcome.APPLIED_LATE: _(
        "Applied late: ModelArts made this change after Curfew had reported another "
        "result."
    ),
    Outcome.REPLACED: _(
        "Applied, then replaced by another change before it took effect."
    ),
    Outcome.OVERWRITTEN: _(
        "Applied, then overwritten by an older change that arrived late. Curfew does "
        "not repeat it any more."
    ),
}
_NO_ATTEMPT_LEFT: dict[str, Promise] = {
    State.FAILED: _("Curfew is no longer retrying."),
    State.CANCELLED: _("ModelArts has not applied it."),
}
_CHECKING = _("An earlier attempt may still be applied; Curfew is checking.")
_ATTEMPTS: dict[str, Promise] = {
    Outcome.UNCONFIRMED: _(
        "An earlier attempt may still be applied; Curfew is checking, and would undo "
        "it."
    ),
    Outcome.NOT_SEEN: _("An earlier attempt was not applied when Curfew last checked."),
    Outcome.UNDONE: _("An earlier attempt was applied late, and Curfew has undone it."),
}
_BADGES: dict[str, tuple[str, str]] = {
    State.QUEUED: ("clock", "busy"),
    State.SENDING: ("send", "busy"),
    State.RETRYING: ("rotate-cw", "warn"),
    State.APPLIED: ("check", "good"),
    State.FAILED: ("triangle-alert", "bad"),
    State.CONFLICT: ("git-compare", "warn"),
    State.SUPERSEDED: ("replace", "rest"),
    State.CANCELLED: ("undo-2", "rest"),
}
_APPLIED_BADGES: dict[str, tuple[Promise, str, str]] = {
    Outcome.APPLIED_LATE: (_("Applied late"), "check", "warn"),
    Outcome.REPLACED: (_("Replaced"), "replace", "rest"),
    Outcome.OVERWRITTEN: (_("Overwritten"), "replace", "warn"),
}


def badge(edit: Edit) -> StatusBadge:
    """Return the word, icon and tone of an edit's state."""
    outcome = edit.outcome or (Outcome.REPLACED if edit.replaced_outside else "")
    if edit.state == State.APPLIED and outcome in _APPLIED_BADGES:
        label, *shape = _APPLIED_BADGES[outcome]
        return StatusBadge(str(label), *shape)
    if edit.is_waiting_for_stop:
        return StatusBadge(gettext("Waits for the stop"), "clock", "rest")
    if edit.is_scheduled:
        return StatusBadge(gettext("Scheduled"), "clock", "busy")
    text = str(edit.get_state_display())
    if edit.is_unconfirmed and not edit.is_open and edit.state != State.SUPERSEDED:
        text = gettext("%(state)s, being checked") % {"state": text}
    return StatusBadge(text, *_BADGES[edit.state])


def sentence(edit: Edit) -> str:
    """Return the state in sentences; ``Edit.message`` follows them."""
    cloud = edit.instance.cloud
    deadline = moment_text(edit.deadline_at, "time")
    if edit.is_waiting_for_stop:
        waiting = _STARTS_AGAIN if edit.kind == Edit.Kind.START else _WAITING_FOR_STOP
        return waiting % {"deadline": moment_text(edit.deadline_at, "moment")}
    if edit.is_scheduled and edit.not_before:
        at = {"time": moment_text(edit.not_before, "time")}
        return (
            gettext("It will be sent at %(time)s. Until then it can be cancelled.") % at
        )
    if edit.may_be_cancelled and cloud.held_since:
        text = gettext(
            "Changes to %(cloud)s paused since %(since)s. Curfew tries until "
            "%(deadline)s."
        ) % {
            "since": moment_text(cloud.held_since, "time"),
            "cloud": cloud.name,
            "deadline": deadline,
        }
        # ``Edit.message`` gives the reason of an edit that was tried.
        return text if edit.message else f"{text} {cloud.hold_reason}"
    if edit.state == State.CANCELLED and not edit.attempt_count:
        return gettext("Nothing was sent to ModelArts.")
    parts: list[object] = [_state_sentence(edit) % {"deadline": deadline}]
    if edit.state in {State.FAILED, State.CONFLICT, State.CANCELLED}:
        is_failed = edit.state == State.FAILED and edit.is_unconfirmed
        attempts = _CHECKING if is_failed else _ATTEMPTS.get(edit.outcome)
        parts.append(attempts or _NO_ATTEMPT_LEFT.get(edit.state, ""))
    elif edit.state == State.RETRYING and edit.is_unconfirmed:
        parts.append(_CHECKING)
    elif edit.state == State.APPLIED:
        parts += _replacements(edit)
    if edit.waits_for_next_start:
        parts.append(
            gettext(
                "The new auto-stop applies from the next start. Turning it on or off "
                "may also affect the current run; check the countdown."
            )
            if "auto_stop_enable" in edit.patch
            else gettext(
                "The new auto-stop applies from the next start. The current run is "
                "unchanged."
            )
        )
    return " ".join(str(part) for part in parts if part)


def _state_sentence(edit: Edit) -> Promise | str:
    if edit.state == State.APPLIED and edit.outcome in _APPLIED_SENTENCES:
        return _APPLIED_SENTENCES[edit.outcome]
    if edit.kind == Edit.Kind.EXTEND:
        if edit.state == State.APPLIED and "idle_seconds" in edit.patch:
            return _IDLE_APPLIED
        return _LEASE_SENTENCES.get(edit.state, _SENTENCES[edit.state])
    if edit.kind != Edit.Kind.UPDATE and edit.state in _POWER_SENTENCES:
        return _POWER_SENTENCES[edit.state]
    return _SENTENCES[edit.state]


def _replacements(edit: Edit) -> list[str]:
    """Say which fields of an applied edit have another value by now, and whose."""
    replaced = dict(edit.newer_by_field)
    if edit.replaced_outside:
        replaced |= {
            name: {}
            for name in NEXT_START_FIELDS & edit.patch.keys()
            if getattr(edit.instance, name) != edit.patch[name]
        }
    return [_replacement(name, entry) for name, entry in in_order(replaced)]


def _replacement(name: str, entry: Mapping[str, str]) -> str:
    field, username = field_label(name), entry.get("actor")
    if policy := entry.get("policy"):
        username = str(POLICY(policy=policy))
    if schedule := entry.get("schedule"):
        username = str(SCHEDULE(schedule=schedule))
    if not username:
        return gettext("%(field)s was replaced outside Curfew.") % {"field": field}
    return gettext("%(field)s was replaced by a change by %(username)s.") % {
        "field": field,
        "username": username,
    }


def next_step(edit: Edit) -> str:
    """Return what the actor can do about the state; empty if nothing is needed."""
    overwritten = edit.state == State.APPLIED and edit.outcome == Outcome.OVERWRITTEN
    if not overwritten and not edit.may_be_retried:
        return ""
    if edit.kind == Edit.Kind.EXTEND:
        return gettext("Check when the run ends now, and extend it again if need be.")
    if edit.kind != Edit.Kind.UPDATE:
        return gettext(
            "Check the instance's current status, and retry if you still want this."
        )
    if overwritten:
        return gettext("Edit the instance again if it should still have your value.")
    if edit.state == State.FAILED:
        return gettext("Fix the cause and retry, or edit again.")
    return gettext("Compare the values, then overwrite or discard your change.")
