from django.apps import AppConfig


class EditsConfig(AppConfig):
    name = "dashboard.edits"

    def ready(self) -> None:
        from dashboard.instances.selectors import edits

        from . import receivers  # noqa: F401
        from .models import Edit

        edits.provide(Edit.objects.all)
