"""Named views of the list of instances."""

from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower
from django.urls import reverse

if TYPE_CHECKING:
    from dashboard.accounts.models import User


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    """Reads of saved views."""

    def visible_to(self, user: "User") -> Self:
        """One's own, and what others share."""
        return self.filter(Q(owner=user) | Q(shared=True))

    def for_menu(self, user: "User") -> Self:
        """Those with whom each one is marked that opens first for this person."""
        mine = FirstView.objects.filter(user=user, view=OuterRef("pk"))
        return (
            self.visible_to(user)
            .select_related("owner")
            .annotate(is_first=Exists(mine))
            .order_by("-is_first", Lower("name"), "pk")
        )


class SavedView(models.Model):
    """A filter of the list that somebody gave a name.

    Attributes:
        query: The list's part of an address, spelled as ``queries.canonical`` does.
            What it names may be gone, and what it says may no longer be understood.
        shared: Whether the whole team sees it.
        owner: Who may change it; admins may too, once it is shared.
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
        """The list, filtered by it."""
        url = reverse("instances:list")
        return f"{url}?{self.query}" if self.query else url


class FirstView(models.Model):
    """The view that opens first for a person: their own, or one that is shared."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="default_view"
    )
    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, related_name="firsts")

    def __str__(self) -> str:
        return f"{self.user_id} opens {self.view_id}"
