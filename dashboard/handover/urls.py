"""Addresses of what is coming up. Source: DESIGN, part 1.5."""

from django.urls import path

from . import views

app_name = "handover"
urlpatterns = [
    path("due/", views.due, name="due"),
    path("due/changes", views.due_changes, name="due_changes"),
]
