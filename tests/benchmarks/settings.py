"""The application's settings, with the baselines installed beside it."""

from dashboard.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.admin", "tests.benchmarks"]  # noqa: F405
ROOT_URLCONF = "tests.benchmarks.urls"
