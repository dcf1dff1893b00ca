from django.apps import AppConfig


class SystemConfig(AppConfig):
    name = "dashboard.system"
