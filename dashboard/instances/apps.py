from django.apps import AppConfig


class InstancesConfig(AppConfig):
    name = "dashboard.instances"

    def ready(self) -> None:
        """Provide the owners of instances to the app below."""
        from dashboard.accounts.selectors import owner_counts

        from .selectors import count_by_owner

        owner_counts.provide(count_by_owner)
