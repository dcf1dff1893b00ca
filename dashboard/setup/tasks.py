from celery import shared_task

from . import checks


@shared_task(name="setup.check_cloud", ignore_result=True)
def check_cloud(check_id: str, name: str) -> None:
    """Read a configured cloud once, for the page that waits for it."""
    checks.check_cloud(check_id, name)


@shared_task(name="setup.try_new_cloud", ignore_result=True)
def try_new_cloud(test_id: str, name: str, actor_pk: int) -> None:
    """Read a cloud from the files of its test, and adopt it if that works."""
    checks.try_new_cloud(test_id, name, actor_pk)
