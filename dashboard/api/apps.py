from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "dashboard.api"

    def ready(self) -> None:
        from . import signals  # noqa: F401
