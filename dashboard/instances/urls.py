"""Addresses of the fleet. Source: ``docs/contract.md``, "URLs"."""

from django.urls import path

from dashboard.web import converters as converters  # registers <name:…>

from . import detail, home, views

app_name = "instances"
urlpatterns = [
    path("", views.fleet, name="list"),
    path("changes", views.changes, name="changes"),
    path("mine/changes", home.home_changes, name="home_changes"),
    path("<name:cloud>/<name:instance_id>/", detail.detail, name="detail"),
    path(
        "<name:cloud>/<name:instance_id>/changes",
        detail.detail_changes,
        name="detail_changes",
    ),
    path(
        "<name:cloud>/<name:instance_id>/countdown/",
        views.countdown_fragment,
        name="countdown",
    ),
]
