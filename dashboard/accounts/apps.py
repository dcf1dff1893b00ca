from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "dashboard.accounts"

    def ready(self) -> None:
        """Have sessions stamped and changes of rights noticed."""
        from . import poll_token_revocation, sessions, two_factor  # noqa: F401
