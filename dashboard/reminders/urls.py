"""Addresses of reminders."""

from django.urls import path

from . import action_pages, channel_pages, views

app_name = "reminders"
urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("read/", views.read, name="read"),
    path("settings/", views.preferences, name="settings"),
    path("act/<str:token>/", action_pages.act, name="act"),
    path("log/", channel_pages.sent, name="log"),
    path("channels/", channel_pages.channels, name="channels"),
    path("channels/new/", channel_pages.new, name="new_channel"),
    path("channels/<int:channel_pk>/", channel_pages.channel, name="channel"),
    path("channels/<int:channel_pk>/test/", channel_pages.test, name="test_channel"),
    path(
        "channels/<int:channel_pk>/remove/",
        channel_pages.remove,
        name="remove_channel",
    ),
]
