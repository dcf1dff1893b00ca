from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from .models import Override


class SchedulesConfig(AppConfig):
    name = "dashboard.schedules"

    def ready(self) -> None:
        from dashboard.instances.selectors import overrides

        from .models import Override

        def not_ended() -> "QuerySet[Override]":
            opened = Override.objects.filter(ended_at=None)
            return opened.select_related("created_by")

        overrides.provide(not_ended)
