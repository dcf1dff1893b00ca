"""Our hand in the database of ``serving.Serving``: what can be asked for there."""

import logging

import django

django.setup()

from django.test import Client  # noqa: E402 (needs the set-up)
from django.utils import timezone  # noqa: E402

from dashboard.accounts.models import User  # noqa: E402
from dashboard.audit.models import AuditEvent  # noqa: E402
from dashboard.instances.models import Instance  # noqa: E402
from tests import migrated  # noqa: E402
from tests.agents import obey  # noqa: E402
from tests.factories import make_cloud, make_instance  # noqa: E402


def prepare(instances: int) -> str:
    """A database with a fleet, and a viewer who is signed in: their session."""
    migrated.migrate()
    cloud = make_cloud(name="demo", refreshed_at=timezone.now())
    original = make_instance(cloud=cloud)
    fields = {
        field.attname: getattr(original, field.attname)
        for field in Instance._meta.concrete_fields
        if not field.primary_key and not field.generated
    }
    Instance.objects.bulk_create(
        (
            Instance(**fields | {"instance_id": f"copy-{number}"})
            for number in range(instances - 1)
        ),
        batch_size=500,
    )
    viewer = User.objects.create_user("vera", role="viewer", password="correct horse")
    client = Client()
    client.force_login(viewer)
    return client.cookies["sessionid"].value


def add_person(name: str, role: str) -> None:
    """Somebody who signs in with the password of all."""
    User.objects.create_user(name, role=role, password="correct horse")


def failed_sign_ins() -> list[str | None]:
    """From where they came, the oldest first."""
    events = AuditEvent.objects.filter(action="user.sign_in_failed").order_by("pk")
    return list(events.values_list("address", flat=True))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    obey(
        {order.__name__: order for order in (prepare, add_person, failed_sign_ins)},
        afterwards=lambda: None,
    )
