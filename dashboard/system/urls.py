from django.urls import path

from dashboard.web import converters as converters  # registers <name:…>

from . import views

app_name = "system"
urlpatterns = [
    path("", views.system, name="overview"),
    path("changes", views.changes, name="changes"),
    path("check/", views.check, name="check"),
    path("mail/", views.send_mail, name="test_mail"),
    path("clouds/<name:cloud>/refresh/", views.refresh, name="refresh"),
    path("release-notes/", views.release_notes, name="release_notes"),
]
