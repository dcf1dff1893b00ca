"""Addresses of wishes and their receipts. Source: DESIGN, part 1.5."""

from django.urls import path

from . import receipts, views

app_name = "edits"
urlpatterns = [
    path("instances/<str:cloud>/<str:instance_id>/edit/", views.edit, name="edit"),
    path("instances/<str:cloud>/<str:instance_id>/start/", views.start, name="start"),
    path("instances/<str:cloud>/<str:instance_id>/stop/", views.stop, name="stop"),
    path("edits/", receipts.edit_list, name="list"),
    path("edits/<uuid:edit_id>/", receipts.receipt, name="receipt"),
    path("edits/<uuid:edit_id>/progress", receipts.progress, name="progress"),
    path("edits/<uuid:edit_id>/retry/", receipts.retry, name="retry"),
    path("edits/<uuid:edit_id>/cancel/", receipts.cancel, name="cancel"),
]
