from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "dashboard.accounts"

    def ready(self) -> None:
        """Have changes of rights noticed; see ``revoking``."""
        from . import revoking  # noqa: F401
