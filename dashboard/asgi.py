from django.conf import settings

from dashboard.wsgi import application as wsgi  # sets Django up, so it comes first

from dashboard.web.gateway import Gateway  # isort: skip
from dashboard.web.hardening import plain_headers  # isort: skip
from dashboard.web.protocol import BoundedProtocol  # isort: skip


def make_application(*, threads: int) -> Gateway:
    headers = plain_headers()
    BoundedProtocol.plain_headers = [
        (name.lower().encode(), value.encode()) for name, value in headers
    ]
    return Gateway(
        wsgi,
        shortcut=wsgi.from_memory,
        threads=threads,
        longest_body=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
        plain_headers=headers,
        prefix=settings.CURFEW.path_prefix,
    )
