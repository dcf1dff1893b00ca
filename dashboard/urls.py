"""Composition of the apps' addresses. Source: DESIGN, part 1.5."""

from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="instances:list"), name="home"),
    path("accounts/", include("allauth.account.urls")),
    path("instances/", include("dashboard.instances.urls")),
    path("", include("dashboard.edits.urls")),
    path("", include("dashboard.audit.urls")),
    path("", include("dashboard.handover.urls")),
    path("", include("dashboard.metrics.urls")),
]
