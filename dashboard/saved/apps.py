from django.apps import AppConfig


class SavedConfig(AppConfig):
    name = "dashboard.saved"
