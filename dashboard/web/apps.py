import atexit
import gc

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django_structlog.signals import bind_extra_request_metadata


class WebConfig(AppConfig):
    name = "dashboard.web"

    def ready(self) -> None:
        """Make the Celery app current, so that shared tasks know their broker.

        ``dashboard/__init__.py`` is not the place: the cloud client and the emulator
        must import neither Django nor Celery.
        """
        import dashboard.celery  # noqa: F401

        from .address import bind_address

        # No collection looks at what has been imported, not even the last one when a
        # process ends: it takes 0.6 s of CPU, more than half as much as the imports.
        gc.freeze()
        gc.enable()
        atexit.register(gc.freeze)
        # Every process may have to show the stored messages of every app.
        autodiscover_modules("messages")
        bind_extra_request_metadata.connect(bind_address)
