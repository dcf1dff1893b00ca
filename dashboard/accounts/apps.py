from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "dashboard.accounts"

    def ready(self) -> None:
        """Have sessions stamped and changes of rights noticed."""
        from . import factors, revoking, sessions  # noqa: F401
