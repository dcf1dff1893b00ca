from django.apps import AppConfig


class EditsConfig(AppConfig):
    name = "dashboard.edits"

    def ready(self) -> None:
        """Have rules that act no more noticed."""
        from . import receivers  # noqa: F401
