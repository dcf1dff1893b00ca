"""Reads of edits for their pages."""

from django.db import models
from django.db.models import QuerySet

from dashboard.accounts.models import User
from dashboard.instances.models import Instance

from .models import Edit


def edits_visible_to(user: User) -> QuerySet[Edit]:
    """The edits of every instance this person may see, newest first."""
    return (
        Edit.objects.filter(instance__in=Instance.objects.visible_to(user))
        .select_related("instance__cloud", "actor")
        .fetch_mode(models.FETCH_PEERS)
    )


def actors(user: User) -> QuerySet[User]:
    """The people who wished for something this person may see, by name."""
    visible = edits_visible_to(user).order_by()
    return User.objects.filter(pk__in=visible.values("actor_id")).order_by("username")
