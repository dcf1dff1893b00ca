from django.apps import AppConfig


class HandoverConfig(AppConfig):
    name = "dashboard.handover"

    def ready(self) -> None:
        from dashboard.accounts import shifts

        from .selectors import person_on_shift

        shifts.person_on_shift.provide(person_on_shift)
