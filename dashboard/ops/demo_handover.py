from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.handover import services, wallboard_services
from dashboard.handover.models import Handover, WallLink
from dashboard.saved.models import SavedView

ZONE = "Europe/Berlin"

PUBLISHED = (
    (
        "The queue for the large GPUs is long; two people asked why theirs wait.",
        "oskar",
        "Tell them once a place is free",
    ),
    (
        "embeddings-refresh failed to start twice in the night.",
        "Platform team, +49 228 555 0100",
        "Look whether the flavour is sold out again",
    ),
)
DRAFTED = (
    (
        "Exceptions wait for an answer; one of them is urgent.",
        "ada",
        "Decide before the evening",
    ),
    ("The trade fair demo must not be stopped before Friday.", "oskar", ""),
)


def write() -> str:
    operator = User.objects.filter(role=User.Role.OPERATOR).order_by("pk")[0]
    admin = User.objects.filter(role=User.Role.ADMIN).order_by("pk")[0]
    now = timezone.now().replace(second=0, microsecond=0)
    published = _draft(
        operator,
        since=now - timedelta(hours=9),
        summary="A quiet shift. Two things to look after, see below.",
        notes=PUBLISHED,
    )
    services.publish(handover=published, actor=operator, version=published.version)
    services.take_over(handover=published, actor=admin)
    _draft(
        admin,
        since=now - timedelta(minutes=30),
        summary="So far nothing out of the ordinary.",
        notes=DRAFTED,
    )
    view = SavedView.objects.filter(shared=True).order_by("pk").first()
    wallboard_services.make(actor=operator, name="Control room", zone=ZONE)
    wallboard_services.make(
        actor=operator, name="Lobby", view=view, masked=True, zone=ZONE
    )
    return "2 handovers, 2 walls"


def wall_address(site: str) -> str:
    """Return the URL of the whole fleet's wallboard.

    Args:
        site: The demo's URL, with a slash at its end.
    """
    link = WallLink.objects.order_by("pk")[0]
    path = reverse("handover:wall", args=[wallboard_services.token(link)])
    return f"{site.rstrip('/')}{path}"


def _draft(
    author: User,
    *,
    since: datetime,
    summary: str,
    notes: tuple[tuple[str, str, str], ...],
) -> Handover:
    draft = services.draft(author=author, since=since, ahead_hours=8)
    save_token = services.SaveToken(draft.revision)
    services.save_summary(
        handover=draft, actor=author, save_token=save_token, summary=summary
    )
    for text, owner, next_action in notes:
        services.add_note(
            handover=draft,
            actor=author,
            text=text,
            owner=owner,
            next_action=next_action,
        )
    draft.refresh_from_db()
    return draft
