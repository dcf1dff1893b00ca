"""The application's settings, but for static files, which nobody has collected here."""

from dashboard.settings import *  # noqa: F403

STORAGES = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}
