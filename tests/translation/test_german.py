"""Main pages in German, and what must stay English."""

import json

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from dashboard.accounts.models import User
from dashboard.audit.models import AuditEvent
from dashboard.audit.services import record_event
from dashboard.edits import messages as edits
from dashboard.handover.services import draft
from dashboard.instances.durations import remaining_text
from dashboard.instances.messages import message_of
from dashboard.instances.models import FleetVersion, Instance
from dashboard.modelarts.errors import InvalidInputError
from dashboard.modelarts.messages import Problem
from dashboard.policies import messages as policies
from dashboard.policies.forms import RuleForm
from dashboard.policies.models import Rule
from dashboard.web.stored_messages import Message, sentences


@pytest.fixture
def german(client: Client, operator: User) -> Client:
    operator.language = "de"
    operator.save(update_fields=["language"])
    client.force_login(operator)
    return client


def of(instance: Instance) -> list[str]:
    return [instance.cloud.name, instance.instance_id]


def test_the_list(german: Client, instance: Instance) -> None:
    page = german.get(reverse("instances:list")).text
    for words in ("Instanzen", "Stoppt in", "Auto-Stopp nach", "Läuft", "Auto-Stopp"):
        assert words in page
    assert "Stops in" not in page


def test_each_reads_rows_in_their_own_language(
    german: Client, viewer: User, instance: Instance
) -> None:
    address = reverse("instances:list")
    assert "Läuft" in german.get(address).text
    english = Client()
    english.force_login(viewer)
    assert "Läuft" not in english.get(address).text
    assert "Läuft" in german.get(address).text


def test_a_poll_speaks_german(german: Client, instance: Instance) -> None:
    FleetVersion.stamp(Instance.objects.all())
    address = reverse("instances:changes") + "?since=0"
    assert "Läuft" in german.get(address, headers={"hx-request": "true"}).text


def test_the_detail_the_form_and_the_due_page(
    german: Client, instance: Instance
) -> None:
    detail = german.get(reverse("instances:detail", args=of(instance))).text
    assert "(nächster Start)" in detail
    form = german.get(reverse("edits:edit", args=of(instance))).text
    assert "Auto-Stopp nach" in form
    assert "Auswirkung" in form
    due = german.get(reverse("handover:due")).text
    assert "Die nächsten 24 Stunden" in due


def test_numbers_for_machines_stay_as_they_are(
    german: Client, instance: Instance
) -> None:
    instance.auto_stop_duration = 30_600
    instance.save(update_fields=["auto_stop_duration"])
    form = german.get(reverse("edits:edit", args=of(instance))).text
    assert 'value="8.5"' in form
    assert "8 h 30 min" in form


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (9, "9 s"),
        (249, "4 min 9 s"),
        (11_520, "3 h 12 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_time_left(seconds: int, text: str) -> None:
    with translation.override("de"):
        assert remaining_text(seconds) == text


def test_what_is_stored_is_shown_in_the_language_of_the_reader(
    german: Client, operator: User, instance: Instance
) -> None:
    answer = german.post(reverse("edits:stop", args=of(instance)), {"key": "once"})
    assert answer.status_code == 303
    edit = instance.edits.get()
    german.post(reverse("edits:cancel", args=[edit.pk]))
    edit.refresh_from_db()
    assert str(edit.message) == "Cancelled by operator."
    assert AuditEvent.objects.get(action="edit.cancelled").reason == edit.message
    page = german.get(reverse("edits:detail", args=[edit.pk])).text
    assert "Abgebrochen von operator." in page


@pytest.mark.parametrize(
    ("message", "english", "german"),
    [
        (
            edits.VIOLATIONS(policy="Nights 100%"),
            "Violations of the policy “Nights 100%”",
            "Verstöße gegen die Regel „Nights 100%“",
        ),
        (
            edits.FILTERED(filters=[["status", "RUNNING"], ["owner", "li.wei"]]),
            "Filter: status Running, owner li.wei",
            "Filter: Status Läuft, Besitzer li.wei",
        ),
        (
            sentences(edits.PAST_DEADLINE(), edits.INSTANCE_GONE()),
            "Not delivered in time. The instance no longer exists in the cloud.",
            "Nicht rechtzeitig zugestellt. Die Instanz existiert in der Cloud nicht "
            "mehr.",
        ),
        (
            message_of(InvalidInputError(Problem.RUN_TIME_RANGE)),
            "The run time must be between 1 and 24 hours.",
            "Die Laufzeit muss zwischen 1 und 24 Stunden liegen.",
        ),
        (
            edits.VIOLATES(
                policy="operator",
                sentence=policies.RUN_WITHOUT_LIMIT(
                    longest=policies.LENGTH(seconds=30_600)
                ),
            ),
            "Policy “operator”: This run has no end; the limit is 8 h 30 min.",
            "Regel „operator“: Dieser Lauf hat kein Ende; höchstens 8 h 30 min "
            "sind erlaubt.",
        ),
    ],
)
def test_stored_messages(message: Message, english: str, german: str) -> None:
    stored = Message.from_json(json.loads(json.dumps(message.to_json())))
    with translation.override("en"):
        assert str(stored) == english
    with translation.override("de"):
        assert str(stored) == german


def test_exports_stay_english(german: Client, instance: Instance) -> None:
    answer = german.get(reverse("saved:csv"))
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert "next_run_hours" in text
    assert "RUNNING" in text


def test_refusals_of_a_form_are_german(german: Client, instance: Instance) -> None:
    address = reverse("edits:edit", args=of(instance))
    answer = german.post(
        address,
        {"auto_stop_enable": "on", "auto_stop_hours": "8.3", "description": "<"},
    )
    assert answer.status_code == 422
    assert "liegen nicht auf einer halben Stunde" in answer.text
    assert "Eine Beschreibung darf &lt; nicht enthalten." in answer.text


def test_the_audit_trail_says_names_and_codes_in_german(
    client: Client, admin: User, operator: User
) -> None:
    admin.language = "de"
    admin.save(update_fields=["language"])
    client.force_login(admin)
    record_event(
        actor=admin,
        action="exception.asked",
        target_kind="exception",
        target_id="7",
        target_label="Applied",
        before={"state": "asked"},
        after={"until": "2026-11-25T09:59:00+00:00", "state": "approved"},
        reason="queued",
    )
    page = client.get(reverse("audit:list")).text
    for words in ("Ausnahme beantragt", "Zustand", "Genehmigt", "bis", "25.11.2026, "):
        assert words in page, words
    # What people typed stays, even where it reads like a code.
    assert ">queued<" in page
    assert ">Applied<" in page


def test_a_handover_is_called_so_in_german(german: Client, operator: User) -> None:
    handover = draft(actor=operator, since=timezone.now(), ahead_hours=8)
    page = german.get(handover.get_absolute_url()).text
    title = page.split('<h1 class="page-title">')[1]
    assert title.startswith(("Frühschicht, ", "Spätschicht, ", "Nachtschicht, "))
    assert "Entwurf" in page


@pytest.mark.django_db
def test_a_rule_names_statuses_in_german() -> None:
    with translation.override("de"):
        assert Rule(cloud="demo", status="RUNNING").scope_words == ["demo", "Läuft"]
        assert Rule(status="NEW_ONE").scope_words == ["NEW_ONE"]
        form = RuleForm(instance=Rule(), scopes={"status": ["RUNNING", "NEW_ONE"]})
        choices = form.fields["status"].choices  # type: ignore[attr-defined]
    assert list(choices)[1:] == [("RUNNING", "Läuft"), ("NEW_ONE", "NEW_ONE")]
