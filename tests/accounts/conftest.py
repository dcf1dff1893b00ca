"""Fixtures for single sign-on with a real provider."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from pydantic import SecretStr

from . import provider as providers
from .provider import Provider


@pytest.fixture
def provider(
    db: None,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[Provider]:
    """Run a provider, and configure Curfew for it.

    Parametrize it indirectly with other settings.
    """
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with providers.running() as running:
        changes = {
            "oidc_issuer": running.issuer,
            "oidc_client_id": "curfew",
            "oidc_client_secret": SecretStr("secret"),
            "oidc_roles": {"admins": "admin", "science": "scientist"},
            "oidc_cloud_user_claim": "modelarts_user",
        }
        settings.CURFEW = django_settings.CURFEW.model_copy(
            update=changes | getattr(request, "param", {})
        )
        running.know(
            "42",
            preferred_username="anna",
            email="anna@example.org",
            email_verified=True,
            groups=["everybody", "science"],
            modelarts_user=["anna.schmidt"],
        )
        yield running
