"""Addresses of wishes and their receipts. Source: ``docs/contract.md``, "URLs"."""

from django.urls import path

from dashboard.web import converters as converters  # registers <name:…>

from . import batch_pages, bulk, enforcement_pages, receipts, views

app_name = "edits"
urlpatterns = [
    path("instances/<name:cloud>/<name:instance_id>/edit/", views.edit, name="edit"),
    path("instances/<name:cloud>/<name:instance_id>/start/", views.start, name="start"),
    path("instances/<name:cloud>/<name:instance_id>/stop/", views.stop, name="stop"),
    path("edits/", receipts.edit_list, name="list"),
    path("edits/changes", receipts.edit_changes, name="list_changes"),
    path("edits/<uuid:edit_id>/", receipts.receipt, name="receipt"),
    path("edits/<uuid:edit_id>/progress", receipts.progress, name="progress"),
    path("edits/<uuid:edit_id>/banner", receipts.banner, name="banner"),
    path("edits/<uuid:edit_id>/retry/", receipts.retry, name="retry"),
    path("edits/<uuid:edit_id>/cancel/", receipts.cancel, name="cancel"),
    path("edits/<uuid:edit_id>/discard/", receipts.discard, name="discard"),
    path("bulk/", bulk.select, name="bulk"),
    path("bulk/<uuid:batch_id>/", bulk.draft, name="bulk_draft"),
    path("bulk/<uuid:batch_id>/confirm/", bulk.confirm, name="bulk_confirm"),
    path("policies/<int:rule_pk>/acting/", enforcement_pages.acting, name="acting"),
    path("batches/", batch_pages.batch_list, name="batches"),
    path("batches/<uuid:batch_id>/", batch_pages.batch, name="batch"),
    path(
        "batches/<uuid:batch_id>/progress",
        batch_pages.batch_progress,
        name="batch_progress",
    ),
    path("batches/<uuid:batch_id>/cancel/", batch_pages.cancel, name="batch_cancel"),
    path("batches/<uuid:batch_id>/retry/", batch_pages.retry, name="batch_retry"),
]
