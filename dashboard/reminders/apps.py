from django.apps import AppConfig


class RemindersConfig(AppConfig):
    name = "dashboard.reminders"

    def ready(self) -> None:
        from dashboard.accounts.selectors import channels_of_team

        from . import receivers, selectors  # noqa: F401

        channels_of_team.provide(selectors.channels_of_team)
