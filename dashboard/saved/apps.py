from django.apps import AppConfig


class SavedConfig(AppConfig):
    name = "dashboard.saved"

    def ready(self) -> None:
        from dashboard.instances import display

        from . import selectors

        display.display_of.provide(selectors.display_of)
