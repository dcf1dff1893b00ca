from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "dashboard.audit"

    def ready(self) -> None:
        """Listen for sign-ins."""
        from . import signals  # noqa: F401
