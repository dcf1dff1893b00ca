from django.apps import AppConfig


class CostsConfig(AppConfig):
    name = "dashboard.costs"

    def ready(self) -> None:
        from dashboard.instances import prices

        from . import receivers  # noqa: F401
        from .current_prices import current_prices

        prices.current.provide(current_prices)
