from celery import shared_task

from dashboard.accounts.models import User

from . import findings, test_mail, workers as workers  # its signals


@shared_task(
    name="system.run_checks", ignore_result=True, soft_time_limit=110, time_limit=120
)
def run_checks(everything: bool = False) -> None:
    findings.run_due_checks(everything=everything)


@shared_task(name="system.send_test_mail", ignore_result=True)
def send_test_mail(user_pk: int) -> None:
    test_mail.send(User.objects.get(pk=user_pk))
