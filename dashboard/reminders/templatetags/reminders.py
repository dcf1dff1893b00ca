from django import template

from dashboard.reminders import selectors

register = template.Library()

_TONES = {"sent": "good", "sending": "busy", "unknown": "warn", "failed": "bad"}
_KIND_TONES = {
    **dict.fromkeys(("failure", "edit", "overdue", "cloud", "silence"), "bad"),
    "missed": "bad",
    "resolved": "good",
    **dict.fromkeys(
        ("request", "approval", "answer", "changed", "handover", "several"), "info"
    ),
}
_ICONS = {
    "stop": "bell",
    "failure": "triangle-alert",
    "edit": "pencil-line",
    "policy": "shield",
    "stopped": "square",
    "request": "shield",
    "answer": "shield",
    "ending": "shield",
    "override": "pin-off",
    "changed": "pencil-line",
    "overdue": "alarm-clock-off",
    "silence": "triangle-alert",
    "resolved": "check",
    "no_end": "triangle-alert",
    "cloud": "triangle-alert",
    "handover": "send",
    "approval": "shield",
    "warning": "bell",
    "schedule": "bell",
    "missed": "triangle-alert",
    "question": "circle-question-mark",
    "budget": "coins",
}


register.simple_tag(selectors.frame_counts)


@register.filter
def tone(state: str) -> str:
    return _TONES.get(state, "rest")


@register.filter
def kind_icon(kind: str) -> str:
    return _ICONS.get(kind, "send")


@register.filter
def kind_tone(kind: str) -> str:
    return _KIND_TONES.get(kind, "warn")
