from django.urls import path

from .views import export, saved_views

app_name = "saved"
urlpatterns = [
    path("views/", saved_views.saved_views, name="list"),
    path("views/new/", saved_views.new_view, name="new"),
    path("views/first/", saved_views.set_default, name="set_default"),
    path("views/display/", saved_views.set_display, name="set_display"),
    path("views/<int:view_id>/", saved_views.view, name="view"),
    path("views/<int:view_id>/delete/", saved_views.delete, name="delete"),
    path("instances/export.csv", export.as_csv, name="csv"),
    path("instances/export.json", export.as_json, name="json"),
]
