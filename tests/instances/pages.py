"""What the tests of the list's pages share."""

import re
from datetime import UTC, datetime, timedelta

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance


def rows_of(page: str) -> list[str]:
    """Ids of the instances, in the page's order."""
    return re.findall(r'<tr id="instance-(\d+)" data-instance', page)


def add_edit(instance: Instance, actor: User, **fields: object) -> Edit:
    values: dict[str, object] = {
        "seq": 1,
        "key": "k",
        "patch": {"auto_stop_duration": 7_200},
        "deadline_at": datetime.now(UTC) + timedelta(hours=1),
    }
    return Edit.objects.create(instance=instance, actor=actor, **(values | fields))
