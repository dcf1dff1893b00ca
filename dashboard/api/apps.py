from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "dashboard.api"

    def ready(self) -> None:
        """Let tokens end with their person's account."""
        from . import signals  # noqa: F401
