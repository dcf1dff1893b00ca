import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

_django = get_wsgi_application()

from dashboard.accounts.polls import NewsHandler  # noqa: E402 (needs settings)
from dashboard.celery import never_wait_for_the_broker  # noqa: E402 (needs settings)
from dashboard.livepoll.shortcut import PollShortcut  # noqa: E402
from dashboard.web.database import share_connections  # noqa: E402

never_wait_for_the_broker()
share_connections()

application = PollShortcut(_django, news=NewsHandler(["instances:changes"]))
