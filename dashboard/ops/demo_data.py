"""What the demo starts with: teams, policies, views, notifications and handovers."""

from datetime import date, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import Team, User
from dashboard.accounts.teams import save_team
from dashboard.edits.questions import ask_owners
from dashboard.handover import services as handovers, wallboard_services
from dashboard.handover.models import Handover, WallLink
from dashboard.instances.models import Instance
from dashboard.modelarts.statuses import FAILED, InstanceStatus
from dashboard.policies import services as policies
from dashboard.policies.models import Rule
from dashboard.reminders import planning, services as reminders
from dashboard.reminders.models import LIFETIME, Preferences, Reminder
from dashboard.saved import services as views
from dashboard.saved.models import SavedView
from dashboard.schedules import services as schedules
from dashboard.schedules.models import Schedule, WorkingTime

ZONE = "Europe/Berlin"
WEEKDAYS = list(range(5))

# They only warn or refuse: no policy acts, and no one is kept from trying the form.
POLICIES: tuple[dict[str, Any], ...] = (
    {
        "name": "GPUs need auto-stop",
        "reason": "One forgotten GPU costs as much in a month as a workstation.",
        "kind": Rule.Kind.AUTO_STOP,
        "flavor_type": "GPU",
        "mode": Rule.Mode.ENFORCE,
    },
    {
        "name": "Runs end after 10 hours",
        "reason": "Most runs longer than a workday have been forgotten.",
        "kind": Rule.Kind.MAX_HOURS,
        "max_seconds": 10 * 3_600,
    },
    {
        "name": "Quiet nights",
        "reason": "No one works at night: anything still running was forgotten.",
        "kind": Rule.Kind.QUIET_HOURS,
        "quiet_from": time(22),
        "quiet_until": time(6),
        "time_zone": ZONE,
    },
    {
        "name": "Still needed?",
        "reason": "Long runs are often over hours before anyone looks.",
        "kind": Rule.Kind.STILL_NEEDED,
        "max_seconds": 3 * 3_600,
        "answer_seconds": 2 * 3_600,
        "again_seconds": 12 * 3_600,
    },
)
SCHEDULES: tuple[tuple[dict[str, Any], dict[str, Any], str], ...] = (
    (
        {
            "name": "Forecasting: office hours",
            "reason": "The team works until seven; long trainings have an override.",
            "team": "Forecasting",
        },
        {"weekdays": WEEKDAYS, "start": time(7, 30), "stop": time(19)},
        Schedule.Mode.ON,
    ),
    (
        {
            "name": "GPUs off at night",
            "reason": "Would this save enough to be worth a rule?",
            "flavor_type": "GPU",
        },
        {"weekdays": [*WEEKDAYS, 5, 6], "stop": time(22)},
        Schedule.Mode.DRY_RUN,
    ),
    (
        {"name": "Trade show", "reason": "Until the show closes.", "owner": "li.wei"},
        {"weekdays": [5, 6], "start": time(9), "stop": time(18)},
        Schedule.Mode.OFF,
    ),
)
"""Schedules, their working time and their mode."""

HOLIDAYS = {
    (1, 1): "New Year's Day",
    (5, 1): "Labour Day",
    (10, 3): "German Unity Day",
    (12, 24): "Office closed",
    (12, 25): "Christmas Day",
    (12, 26): "Second Day of Christmas",
    (12, 31): "Office closed",
}
"""By month and day."""

TEAMS = {
    "Forecasting": ("anna", ("tom.becker", "priya.raman"), "4711"),
    "Language": ("li", ("oluwaseun.adebayo",), "4712"),
}
VIEWS = {
    "Running GPUs": "status=RUNNING&flavor_type=GPU",
    "No auto-stop": "autostop=never",
    "Failed to start": "status=START_FAILED&sort=-updated",
}
NOTIFICATIONS: dict[str, dict[str, Any]] = {
    User.Role.ADMIN: {
        "scope": "all",
        "lead_times": [120, 15],
        "stops_only_mine": False,
    },
    User.Role.SCIENTIST: {"lead_times": [240, 60, 15]},
}
PUBLISHED_NOTES = (
    (
        "The queue for the large GPUs is long; two people asked why they must wait.",
        "oskar",
        "Let them know when a GPU is free",
    ),
    (
        "embeddings-refresh failed to start twice last night.",
        "Platform team, +49 228 555 0100",
        "Check whether the flavor is sold out again",
    ),
)
DRAFT_NOTES = (
    (
        "Exception requests are pending; one is urgent.",
        "ada",
        "Decide by this evening",
    ),
    ("The trade show demo must not be stopped before Friday.", "oskar", ""),
)


def add_policies() -> str:
    """Save the policies, and request two exceptions from the first."""
    admin = _first(User.Role.ADMIN)
    first, *_, last = [
        policies.save_rule(rule=Rule(**fields), actor=admin) for fields in POLICIES
    ]
    violating = Instance.objects.filter(
        auto_stop_enable=False, flavor_type="GPU", missing_since=None
    ).order_by("-status", "pk")
    until = timezone.now().replace(hour=22, minute=0, second=0) + timedelta(days=4)
    for person in User.objects.filter(role=User.Role.SCIENTIST).order_by("username"):
        own = violating.filter(owner_name__in=person.cloud_identifiers).first()
        if own:
            policies.request_exception(
                rule=first,
                instance=own,
                actor=person,
                until=until,
                reason="The nightly evaluation does not save a checkpoint until 6:00.",
            )
            break
    others = violating.filter(rule_exceptions=None, status=InstanceStatus.RUNNING)
    if other := others.last():
        policies.request_exception(
            rule=first,
            instance=other,
            actor=admin,
            until=until + timedelta(days=10),
            reason="Serves the trade show demo until the show closes.",
        )
    ask_owners(last)
    return f"{len(POLICIES)} policies"


def add_schedules() -> str:
    """Save the schedules and their holidays.

    The one that is on begins tomorrow, so that a demo is not changed by the time of day
    at which it is started; ``--working-day`` shows schedules at work.
    """
    admin, today = _first(User.Role.ADMIN), timezone.localdate(timezone=ZoneInfo(ZONE))
    holidays = schedules.add_calendar(name="Holidays in Germany", actor=admin)
    days = {
        date(year, *day): name
        for year in (today.year, today.year + 1)
        for day, name in HOLIDAYS.items()
    }
    schedules.add_holidays(calendar=holidays, days=days, actor=admin)
    for fields, working_time, mode in SCHEDULES:
        team = Team.objects.filter(name=fields.get("team")).first()
        schedule = Schedule(**fields | {"team": team}, time_zone=ZONE)
        if mode == Schedule.Mode.ON:
            schedule.first_day = today + timedelta(days=1)
        schedules.save_schedule(
            schedule=schedule,
            working_times=[WorkingTime(**working_time)],
            holidays=[holidays],
            actor=admin,
        )
        schedules.switch(schedule=schedule, mode=mode, actor=admin)
    return f"{len(SCHEDULES)} schedules"


def add_teams() -> str:
    """Add the teams, each with a scientist and the operator as deputy."""
    admin, operator = _first(User.Role.ADMIN), _first(User.Role.OPERATOR)
    for name, (member, owners, cost_center) in TEAMS.items():
        save_team(
            name=name,
            cost_center=cost_center,
            deputy=operator,
            members=User.objects.filter(username=member),
            owners=owners,
            actor=admin,
        )
    return f"{len(TEAMS)} teams"


def save_views() -> str:
    operator = _first(User.Role.OPERATOR)
    for name, query in VIEWS.items():
        views.save_view(actor=operator, name=name, query=query, shared=True)
    return f"{len(VIEWS)} views"


def notify() -> str:
    """Set notification settings, and fill the inbox."""
    people = User.objects.filter(role__in=NOTIFICATIONS, is_active=True).order_by("pk")
    for person in people:
        preferences = Preferences(
            user=person,
            time_zone=ZONE,
            quiet_from=time(20),
            quiet_until=time(7),
            **NOTIFICATIONS[person.role],
        )
        reminders.save_preferences(preferences=preferences)
    planning.plan()
    # The emulated cloud's failures are older than those that are usually notified.
    now = timezone.now()
    failed = Instance.objects.filter(status__in=FAILED, missing_since=None)
    Reminder.objects.bulk_create(
        Reminder(
            key=f"p{person.pk}:page:failure:{instance.pk}:demo",
            event=f"failure:{instance.pk}:demo",
            cause=Reminder.Kind.FAILURE,
            for_team=True,
            person=person,
            instance=instance,
            medium=Reminder.Medium.PAGE,
            kind=Reminder.Kind.FAILURE,
            state=Reminder.State.SENT,
            moment=now - timedelta(minutes=9),
            created_at=now - timedelta(minutes=8),
            sent_at=now - timedelta(minutes=8),
            due_at=now,
            expires_at=now + LIFETIME,
        )
        for person in people.exclude(role=User.Role.SCIENTIST)
        for instance in failed.order_by("pk")[:2]
    )
    sent = Reminder.objects.filter(person__in=people)
    # One is read, to show both states.
    latest = sent.order_by("-moment").first()
    if latest and latest.person:
        reminders.mark_read(actor=latest.person, keys=[latest.pk])
    return f"{sent.count()} notifications"


def hand_over() -> str:
    """Publish a handover, start a draft, and create links to two wallboards."""
    operator, admin = _first(User.Role.OPERATOR), _first(User.Role.ADMIN)
    published = _draft(
        operator,
        hours_ago=9,
        summary="A quiet shift. Two things to watch, see below.",
        notes=PUBLISHED_NOTES,
    )
    handovers.publish(handover=published, actor=operator, version=published.version)
    handovers.take_over(handover=published, actor=admin)
    _draft(
        admin,
        hours_ago=0.5,
        summary="Nothing unusual so far.",
        notes=DRAFT_NOTES,
    )
    wallboard_services.make(actor=operator, name="Control room", zone=ZONE)
    wallboard_services.make(
        actor=operator,
        name="Lobby",
        view=SavedView.objects.filter(shared=True).order_by("pk").first(),
        masked=True,
        zone=ZONE,
    )
    return "2 handovers, 2 wallboards"


def wallboard_url(site: str) -> str:
    """Return the URL of the whole fleet's wallboard.

    Args:
        site: The demo's URL, with a slash at its end.
    """
    link = WallLink.objects.order_by("pk")[0]
    path = reverse("handover:wall", args=[wallboard_services.token(link)])
    return f"{site.rstrip('/')}{path}"


def _first(role: str) -> User:
    return User.objects.filter(role=role).order_by("pk")[0]


def _draft(
    actor: User,
    *,
    hours_ago: float,
    summary: str,
    notes: tuple[tuple[str, str, str], ...],
) -> Handover:
    now = timezone.now().replace(second=0, microsecond=0)
    # The shift has its name by this zone.
    with timezone.override(ZONE):
        draft = handovers.draft(
            actor=actor, since=now - timedelta(hours=hours_ago), ahead_hours=8
        )
    save_token = handovers.SaveToken(draft.revision)
    handovers.save_summary(
        handover=draft, actor=actor, save_token=save_token, summary=summary
    )
    for text, owner, next_action in notes:
        handovers.add_note(
            handover=draft,
            actor=actor,
            text=text,
            owner=owner,
            next_action=next_action,
        )
    draft.refresh_from_db()
    return draft
