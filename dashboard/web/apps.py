from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "dashboard.web"

    def ready(self) -> None:
        """Make the Celery app current, so that shared tasks know their broker.

        Here and not in ``dashboard/__init__.py``: the cloud client and the emulator
        live in the same package and must import neither Django nor Celery.
        """
        import dashboard.celery  # noqa: F401
