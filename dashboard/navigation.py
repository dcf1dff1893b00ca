"""The main menu and the tabs of its sections, as template tags."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.template import Context
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _, pgettext_lazy

from dashboard.accounts import permissions
from dashboard.accounts.models import User
from dashboard.setup import links, private_files

register = template.Library()


class Entry(NamedTuple):
    """A link of a menu.

    Attributes:
        key: The section, or the ``current`` of the pages that belong to a tab.
        is_visible: Whether a person sees the link; everyone by default.
        query: Appended to the address.
    """

    key: str
    label: Promise
    url_name: str
    is_visible: Callable[[User], bool] = lambda user: True
    query: str = ""


MENU = [
    Entry(
        "home",
        _("My instances"),
        "home",
        permissions.has_own_page,
        "?mine=1",
    ),
    Entry("instances", _("Instances"), "instances:list"),
    Entry("due", _("Stopping soon"), "handover:due"),
    Entry("edits", _("Changes"), "edits:list"),
    Entry("handover", _("Handover"), "handover:list"),
    Entry(
        "costs",
        _("Costs"),
        "costs:report",
        lambda user: permissions.cost_scope(user) != "none",
    ),
    Entry("policies", _("Policies"), "policies:compliance"),
    Entry("people", _("People"), "people:list", permissions.can_manage_people),
    Entry(
        "audit",
        _("Audit"),
        "audit:list",
        lambda user: user.has_perm("audit.view_auditevent"),
    ),
]

ELSEWHERE = {
    "home": "home",
    "handover:due": "due",
    "edits:acting": "policies",
    "edits:overrides": "policies",
    "edits:question": "policies",
    "tokens:all": "people",
    "schedules": "policies",
    "digests": "reminders",
}
"""Sections of pages, or of all pages of an app, that do not have its name."""

TABS = {
    "handover": [
        Entry("handovers", _("Handovers"), "handover:list"),
        Entry("walls", _("Wallboards"), "handover:walls"),
    ],
    "reminders": [
        Entry("inbox", _("Inbox"), "reminders:inbox"),
        Entry("settings", _("Notification settings"), "reminders:settings"),
        Entry(
            "on_call", _("On call"), "reminders:on_call", permissions.can_acknowledge
        ),
        Entry(
            "channels",
            _("Channels"),
            "reminders:channels",
            permissions.can_manage_channels,
        ),
        Entry("log", _("Log"), "reminders:log", permissions.can_manage_channels),
    ],
    "people": [
        Entry("people", _("People"), "people:list"),
        Entry("teams", _("Teams"), "people:teams"),
        Entry("owners", _("Unmapped owners"), "people:owners"),
        Entry(
            "sso",
            _("Single sign-on"),
            "people:sso",
            lambda user: bool(settings.CURFEW.oidc_issuer),
        ),
    ],
    "costs": [
        Entry("costs", _("Costs"), "costs:report"),
        Entry("savings", _("Savings"), "costs:savings"),
        Entry("prices", _("Prices"), "costs:prices"),
        Entry("budgets", _("Budgets"), "costs:budgets"),
    ],
    "policies": [
        Entry("compliance", _("Violations"), "policies:compliance"),
        Entry("exceptions", _("Exceptions"), "policies:exceptions"),
        Entry("schedules", _("Schedules"), "schedules:list"),
        Entry("overrides", _("Overrides"), "edits:overrides"),
        Entry(
            "rules",
            _("Policies"),
            "policies:rules",
            permissions.can_write_rules,
        ),
    ],
}


def can_set_up(user: User) -> bool:
    """Whether the user may choose the clouds in the browser."""
    return permissions.can_manage_people(user) and private_files.has_data_dir()


MORE_PAGES = [
    Entry("clouds", _("Clouds"), "instances:clouds"),
    Entry(
        "system",
        pgettext_lazy("page", "System"),
        "system:overview",
        permissions.can_see_system,
    ),
    Entry("setup", _("Choose clouds"), "setup:clouds", can_set_up),
    Entry("views", _("Saved views"), "saved:list"),
    Entry("batches", _("Bulk changes"), "edits:batches"),
    Entry(
        "new_handover", _("Start a handover"), "handover:new", permissions.can_hand_over
    ),
    Entry(
        "new_policy", _("Create policy"), "policies:new", permissions.can_write_rules
    ),
    Entry(
        "new_schedule",
        _("New schedule"),
        "schedules:new",
        permissions.can_write_rules,
    ),
    Entry("new_price", _("Add price"), "costs:new_price", permissions.can_set_prices),
    Entry("holidays", _("Holiday calendars"), "schedules:calendars"),
    Entry("add_person", _("Add person"), "people:add", permissions.can_manage_people),
    Entry(
        "new_channel",
        _("New channel"),
        "reminders:new_channel",
        permissions.can_manage_channels,
    ),
    Entry("digest", _("Weekly digest"), "digests:preview"),
    Entry("tokens", _("API tokens"), "tokens:mine"),
    Entry("account", _("Account settings"), "mfa_index"),
]
"""Pages that only the command palette lists."""


@register.simple_tag(takes_context=True)
def find_pages(context: Context, text: str) -> list[Entry]:
    """Return the pages that the person may see and whose names have all these words."""
    user = context["user"]
    sections = {entry.key: entry for entry in _visible(MENU, user)}
    hidden = {entry.key for entry in MENU} - sections.keys()
    tabs = [
        entry for key, group in TABS.items() if key not in hidden for entry in group
    ]
    words = text.casefold().split()
    found: dict[str, Entry] = {}
    for entry in _visible([*sections.values(), *tabs, *MORE_PAGES], user):
        if all(word in str(entry.label).casefold() for word in words):
            found.setdefault(entry.url_name, entry)
    return list(found.values())


@register.simple_tag
def needs_setup() -> bool:
    """Return whether the site waits for its first admin."""
    return links.is_needed()


@register.filter
def may_set_up(user: User) -> bool:
    return can_set_up(user)


@register.simple_tag(takes_context=True)
def menu(context: Context) -> list[Entry]:
    """Return the entries of the main menu that the person may see."""
    return _visible(MENU, context["user"])


@register.simple_tag
def section(request: HttpRequest) -> str:
    """Return the key of the menu entry that a page belongs to."""
    match = request.resolver_match
    if match is None:
        return ""
    # A form for one instance belongs to the instances.
    if "instance_id" in match.kwargs:
        return "instances"
    of_app = ELSEWHERE.get(match.app_name, match.app_name)
    return ELSEWHERE.get(match.view_name, of_app)


@register.inclusion_tag("_tabs.html", takes_context=True)
def tabs(context: Context, name: str, label: str) -> dict[str, Any]:
    """Render the tabs of a section; the page says which one is ``current``."""
    return {
        "tabs": _visible(TABS[name], context["user"]),
        "label": label,
        "current": context.get("current"),
    }


def _visible(entries: list[Entry], user: User) -> list[Entry]:
    return [entry for entry in entries if entry.is_visible(user)]
