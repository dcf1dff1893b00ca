"""Addresses of what is coming up. Source: ``docs/contract.md``, "URLs"."""

from django.urls import path

from . import drafts, shifts, views, wall, wall_links

app_name = "handover"
urlpatterns = [
    path("due/", views.due, name="due"),
    path("due/changes", views.due_changes, name="due_changes"),
    path("handover/", shifts.handovers, name="list"),
    path("handover/new/", shifts.new, name="new"),
    path("handover/<int:handover_id>/", shifts.handover, name="handover"),
    path("handover/<int:handover_id>.md", shifts.as_markdown, name="markdown"),
    path("handover/<int:handover_id>/save/", drafts.save, name="save"),
    path("handover/<int:handover_id>/window/", drafts.window, name="window"),
    path("handover/<int:handover_id>/publish/", shifts.publish, name="publish"),
    path("handover/<int:handover_id>/take-over/", shifts.take_over, name="take_over"),
    path("handover/<int:handover_id>/discard/", shifts.discard, name="discard"),
    path("handover/<int:handover_id>/notes/", drafts.add_note, name="add_note"),
    path(
        "handover/<int:handover_id>/notes/<int:note_id>/",
        drafts.save_note,
        name="note",
    ),
    path(
        "handover/<int:handover_id>/notes/<int:note_id>/remove/",
        drafts.remove_note,
        name="remove_note",
    ),
    path("walls/", wall_links.links, name="walls"),
    path("walls/<int:link_id>/", wall_links.link, name="wall_link"),
    path("walls/<int:link_id>/revoke/", wall_links.revoke, name="revoke_wall"),
    path("wall/<str:wall_token>/", wall.wall, name="wall"),
    path("wall/<str:wall_token>/changes", wall.wall_changes, name="wall_changes"),
]
