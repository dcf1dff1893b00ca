from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower
from django.urls import reverse


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def visible_to(self, user: Any) -> Self:
        return self.filter(Q(owner=user) | Q(shared=True))

    def for_menu(self, user: Any) -> Self:
        """Return the visible views; ``is_default`` marks the user's default.

        Args:
            user: Or their key, or what stands for it in a prepared query.
        """
        default = DefaultView.objects.filter(user=user, view=OuterRef("pk"))
        return (
            self.visible_to(user)
            .select_related("owner")
            .annotate(is_default=Exists(default))
            .order_by("-is_default", Lower("name"), "pk")
        )


class SavedView(models.Model):
    """A named filter of the list.

    Attributes:
        query: Query string of the list, as ``queries.normalized`` returns it. It may
            refer to instances, owners or filters that no longer exist.
        shared: Whether the whole team sees it; admins may then change it, too.
    """

    NAME_LENGTH: ClassVar = 80
    QUERY_LENGTH: ClassVar = 4_096

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views"
    )
    name = models.CharField(max_length=NAME_LENGTH)
    query = models.CharField(max_length=QUERY_LENGTH, blank=True)
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("name"), "owner", name="saved_view_once_per_name"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        url = reverse("instances:list")
        return f"{url}?{self.query}" if self.query else url


class DefaultView(models.Model):
    """The default view of a person: one of their own or a shared one."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="default_view"
    )
    view = models.ForeignKey(
        SavedView, on_delete=models.CASCADE, related_name="default_for"
    )

    def __str__(self) -> str:
        return f"{self.user_id} opens {self.view_id}"


class ListDisplay(models.Model):
    """How a person sees the list; without one, ``instances.display.DEFAULT``.

    Attributes:
        hidden: Keys of ``instances.display.OPTIONAL``.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="list_display"
    )
    hidden = models.JSONField(default=list)
    is_compact = models.BooleanField(default=False)
    group = models.CharField(max_length=16, blank=True, default="")

    def __str__(self) -> str:
        return f"list of {self.user_id}"
