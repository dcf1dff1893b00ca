"""Addresses of saved views and of the list's export."""

from django.urls import path

from . import export, views

app_name = "saved"
urlpatterns = [
    path("views/", views.saved_views, name="list"),
    path("views/new/", views.new_view, name="new"),
    path("views/first/", views.first, name="first"),
    path("views/<int:view_id>/", views.view, name="view"),
    path("views/<int:view_id>/delete/", views.delete, name="delete"),
    path("instances/export.csv", export.as_csv, name="csv"),
    path("instances/export.json", export.as_json, name="json"),
]
