"""What the tests of the list's pages share."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.instances.models import Instance


def one_line(page: str) -> str:
    """The page with each run of whitespace as one space."""
    return re.sub(r"\s+>", ">", " ".join(page.split()))


def rows_of(page: str) -> list[str]:
    """Ids of the instances, in the page's order."""
    return re.findall(r'<tr\s+id="instance-(\d+)"\s+data-instance', page)


def add_edit(
    instance: Instance, actor: User | None, key: str = "k", **fields: object
) -> Edit:
    values: dict[str, object] = {
        "seq": 1,
        "idempotency_key": key,
        "patch": {"auto_stop_duration": 7_200},
        "deadline_at": datetime.now(UTC) + timedelta(hours=1),
    }
    return Edit.objects.create(instance=instance, actor=actor, **(values | fields))


def poll_of(page: str) -> str:
    """The address that the page polls next."""
    match = re.search(r'<div id="poller"[^>]* hx-get="([^"]+)"', one_line(page))
    assert match, page
    return unescape(match[1])
