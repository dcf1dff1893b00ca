from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "dashboard.accounts"

    def ready(self) -> None:
        from . import poll_token_revocation, sessions, two_factor  # noqa: F401
