from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class AuditConfig(AppConfig):
    name = "dashboard.audit"

    def ready(self) -> None:
        """Listen for sign-ins, and load the labels that each app registers."""
        from . import signals  # noqa: F401

        autodiscover_modules("audit_labels")
