from django.apps import AppConfig


class RemindersConfig(AppConfig):
    name = "dashboard.reminders"
