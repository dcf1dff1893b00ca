"""The application's addresses and those of the baselines."""

from django.contrib import admin
from django.db.models import F
from django.db.models.functions import Lower
from django.db.models.lookups import IsNull
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from dashboard.instances.models import Instance

KILOBYTE = b"x" * 1024


class InstanceAdmin(admin.ModelAdmin):
    """The columns of our own list, a hundred rows a page, without filters."""

    list_display = (
        *("name", "description", "status", "owner_name", "cloud", "flavor_type"),
        *("flavor", "stops_at", "auto_stop_enable", "auto_stop_duration", "updated_at"),
    )
    search_fields = ("search_text",)
    list_select_related = ("cloud",)
    list_per_page = 100
    # As our own list, so that both show the same rows of a filter.
    ordering = (
        *(F("is_running").desc(), IsNull(F("run_ends_at"), True)),
        *(F("run_ends_at"), Lower("name"), "pk"),
    )
    show_full_result_count = False

    def lookup_allowed(self, *_: object) -> bool:
        """By whatever our own list can be filtered by."""
        return True

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Rights are not what is measured."""
        return True


site = admin.AdminSite("baseline")
site.register(Instance, InstanceAdmin)


def plain(request: HttpRequest) -> HttpResponse:
    """As little as a view behind session and user can do."""
    return HttpResponse(KILOBYTE if request.user.is_authenticated else b"")


urlpatterns = [
    path("_plain", plain),
    path("_admin/", site.urls),
    path("", include("dashboard.urls")),
]
