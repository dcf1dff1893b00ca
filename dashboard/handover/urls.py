from django.urls import path

from .views import drafts, due, handovers, wallboard, wallboard_links

app_name = "handover"
urlpatterns = [
    path("due/", due.due, name="due"),
    path("due/changes", due.due_changes, name="due_changes"),
    path("handover/", handovers.handovers, name="list"),
    path("handover/new/", handovers.new, name="new"),
    path("handover/<int:handover_id>/", handovers.handover, name="handover"),
    path("handover/<int:handover_id>.md", handovers.as_markdown, name="markdown"),
    path("handover/<int:handover_id>/save/", drafts.save, name="save"),
    path("handover/<int:handover_id>/window/", drafts.window, name="window"),
    path("handover/<int:handover_id>/publish/", handovers.publish, name="publish"),
    path(
        "handover/<int:handover_id>/take-over/", handovers.take_over, name="take_over"
    ),
    path("handover/<int:handover_id>/discard/", handovers.discard, name="discard"),
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
    path(
        "handover/<int:handover_id>/actions/<int:note_id>/",
        handovers.mark_action,
        name="mark_action",
    ),
    path("walls/", wallboard_links.links, name="walls"),
    path("walls/<int:link_id>/", wallboard_links.link, name="wall_link"),
    path("walls/<int:link_id>/revoke/", wallboard_links.revoke, name="revoke_wall"),
    path("wall/<str:wall_token>/", wallboard.wall, name="wall"),
    path("wall/<str:wall_token>/changes", wallboard.wall_changes, name="wall_changes"),
]
