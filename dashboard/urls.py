"""Composition of the apps' URLs. Source: ``docs/contract.md``, "URLs"."""

from django.urls import include, path

from dashboard.instances.views.home import home
from dashboard.saved.views.saved_views import default_view_or
from dashboard.web import javascript_catalog

handler400 = "dashboard.web.errors.bad_request"
handler403 = "dashboard.web.errors.permission_denied"
handler404 = "dashboard.web.errors.page_not_found"
handler500 = "dashboard.web.errors.server_error"

urlpatterns = [
    path("", default_view_or(home), name="home"),
    path("", include("dashboard.api.token_urls")),
    path("accounts/", include("dashboard.accounts.sign_in_urls")),
    path("people/", include("dashboard.accounts.urls")),
    path("instances/", include("dashboard.instances.urls")),
    path("", include("dashboard.edits.urls")),
    path("policies/schedules/", include("dashboard.schedules.urls")),
    path("policies/", include("dashboard.policies.urls")),
    path("costs/digest/", include("dashboard.digests.urls")),
    path("costs/", include("dashboard.costs.urls")),
    path("", include("dashboard.audit.urls")),
    path("", include("dashboard.handover.urls")),
    path("", include("dashboard.saved.urls")),
    path("reminders/", include("dashboard.reminders.urls")),
    path("", include("dashboard.metrics.urls")),
    path("system/", include("dashboard.system.urls")),
    path("setup/", include("dashboard.setup.urls")),
    path("api/v1/", include("dashboard.api.urls")),
    path(
        "messages/<slug:language>-<slug:release>.js",
        javascript_catalog.CatalogView.as_view(),
        name=javascript_catalog.URL_NAME,
    ),
]
