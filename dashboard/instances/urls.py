from django.urls import path

from dashboard.web import converters as converters  # registers <name:…>

from .views import clouds, detail, fleet, home, menu, palette

app_name = "instances"
urlpatterns = [
    path("", fleet.fleet, name="list"),
    path("changes", fleet.changes, name="changes"),
    path("clouds/", clouds.clouds, name="clouds"),
    path("palette", palette.palette, name="palette"),
    path("mine/changes", home.home_changes, name="home_changes"),
    path("<name:cloud>/<name:instance_id>/", detail.detail, name="detail"),
    path("<name:cloud>/<name:instance_id>/menu", menu.menu, name="menu"),
    path(
        "<name:cloud>/<name:instance_id>/changes",
        detail.detail_changes,
        name="detail_changes",
    ),
    path(
        "<name:cloud>/<name:instance_id>/countdown/",
        fleet.countdown_fragment,
        name="countdown",
    ),
]
