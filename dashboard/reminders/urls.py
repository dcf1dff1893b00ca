from django.urls import path

from .views import actions, answers, channels, inbox, on_call

app_name = "reminders"
urlpatterns = [
    path("", inbox.inbox, name="inbox"),
    path("read/", inbox.read, name="read"),
    path("acknowledge/<int:reminder_pk>/", inbox.acknowledge, name="acknowledge"),
    path("newest/", inbox.newest, name="newest"),
    path("on-call/", on_call.on_call, name="on_call"),
    path("settings/", inbox.preferences, name="settings"),
    path("act/<str:token>/", actions.act, name="act"),
    path("answer/<str:answer_token>/", answers.answer, name="answer"),
    path("log/", channels.sent, name="log"),
    path("channels/", channels.channels, name="channels"),
    path("channels/new/", channels.new, name="new_channel"),
    path("channels/<int:channel_pk>/", channels.channel, name="channel"),
    path("channels/<int:channel_pk>/test/", channels.test, name="test_channel"),
    path("channels/<int:channel_pk>/remove/", channels.remove, name="remove_channel"),
]
