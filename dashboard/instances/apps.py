from django.apps import AppConfig
from django.db.models.signals import post_migrate


class InstancesConfig(AppConfig):
    name = "dashboard.instances"

    def ready(self) -> None:
        from dashboard.accounts.selectors import owner_counts
        from dashboard.accounts.signals import teams_changed
        from dashboard.livepoll.changes import read_changes

        from . import receivers, search_index
        from .models import FleetVersion
        from .selectors import count_by_owner

        owner_counts.provide(count_by_owner)
        read_changes.provide(FleetVersion.changes_after)
        # Lists that are filtered by team look different now.
        teams_changed.connect(receivers.raise_version)
        post_migrate.connect(search_index.create_after_migrate, sender=self)
