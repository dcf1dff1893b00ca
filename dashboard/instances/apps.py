from django.apps import AppConfig


class InstancesConfig(AppConfig):
    name = "dashboard.instances"

    def ready(self) -> None:
        from dashboard.accounts.selectors import owner_counts
        from dashboard.accounts.signals import teams_changed

        from . import receivers
        from .selectors import count_by_owner

        owner_counts.provide(count_by_owner)
        # Lists that are filtered by team look different now.
        teams_changed.connect(receivers.raise_version)
