"""URLs of changes. Source: ``docs/contract.md``, "URLs"."""

from django.urls import path

from dashboard.web import converters as converters  # registers <name:…>

from .views import (
    batch_drafts,
    batches,
    edits,
    enforcement,
    extend,
    override,
    questions,
    resolve,
    restart,
    submit,
    undo,
)

app_name = "edits"
urlpatterns = [
    path("instances/<name:cloud>/<name:instance_id>/edit/", submit.edit, name="edit"),
    path(
        "instances/<name:cloud>/<name:instance_id>/start/", submit.start, name="start"
    ),
    path("instances/<name:cloud>/<name:instance_id>/stop/", submit.stop, name="stop"),
    path(
        "instances/<name:cloud>/<name:instance_id>/restart/",
        restart.restart,
        name="restart",
    ),
    path(
        "instances/<name:cloud>/<name:instance_id>/extend/",
        extend.extend,
        name="extend",
    ),
    path(
        "instances/<name:cloud>/<name:instance_id>/override/",
        override.override,
        name="override",
    ),
    path(
        "instances/<name:cloud>/<name:instance_id>/override/end/",
        override.end,
        name="end_override",
    ),
    path("edits/", edits.edit_list, name="list"),
    path("edits/changes", edits.edit_changes, name="list_changes"),
    path("edits/<uuid:edit_id>/", edits.detail, name="detail"),
    path("edits/<uuid:edit_id>/progress", edits.progress, name="progress"),
    path("edits/<uuid:edit_id>/banner", edits.banner, name="banner"),
    path("edits/<uuid:edit_id>/retry/", edits.retry, name="retry"),
    path("edits/<uuid:edit_id>/cancel/", edits.cancel, name="cancel"),
    path("edits/<uuid:edit_id>/undo/", undo.undo, name="undo"),
    path("edits/<uuid:edit_id>/discard/", edits.discard, name="discard"),
    path("edits/<uuid:edit_id>/resolve/", resolve.resolve, name="resolve"),
    path("bulk/", batch_drafts.select, name="bulk"),
    path("bulk/<uuid:batch_id>/", batch_drafts.draft, name="bulk_draft"),
    path("bulk/<uuid:batch_id>/confirm/", batch_drafts.confirm, name="bulk_confirm"),
    path("bulk/<uuid:batch_id>/approve/", batch_drafts.approve, name="bulk_approve"),
    path("bulk/<uuid:batch_id>/decline/", batch_drafts.decline, name="bulk_decline"),
    path("policies/overrides/", override.override_list, name="overrides"),
    path("policies/<int:rule_pk>/acting/", enforcement.acting, name="acting"),
    path("questions/<int:question_pk>/", questions.question, name="question"),
    path("batches/", batches.batch_list, name="batches"),
    path("batches/<uuid:batch_id>/", batches.batch, name="batch"),
    path(
        "batches/<uuid:batch_id>/progress",
        batches.batch_progress,
        name="batch_progress",
    ),
    path("batches/<uuid:batch_id>/cancel/", batches.cancel, name="batch_cancel"),
    path("batches/<uuid:batch_id>/retry/", batches.retry, name="batch_retry"),
    path("batches/<uuid:batch_id>/undo/", batches.undo, name="undo_batch"),
]
