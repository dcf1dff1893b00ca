"""The edit form when another person has changed the instance, and its snapshot."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.edits.services import submit_edit
from dashboard.edits.snapshot import FormSnapshot, SnapshotError
from dashboard.instances.models import Instance
from dashboard.web.templatetags.pages import moment_text
from tests import factories

from .conftest import finish, form_fields, form_url, hidden
from .deliveries import extend

FORM = "edits/edit.html"


def latest() -> Edit:
    return Edit.objects.latest("created_at")


class TestResolve:
    """A change that met a conflict when it was sent, decided setting by setting."""

    @pytest.mark.parametrize(
        ("theirs", "patch"),
        [
            ({"description"}, {"auto_stop_duration": 7_200}),
            (set(), {"description": "mine", "auto_stop_duration": 7_200}),
            ({"description", "auto_stop_duration"}, None),
        ],
    )
    def test_mine_is_requested_again_and_theirs_stays(
        self,
        as_operator: Client,
        instance: Instance,
        operator: User,
        admin: User,
        theirs: set[str],
        patch: dict[str, object] | None,
    ) -> None:
        base = {"description": instance.description, "auto_stop_duration": 28_800}
        mine = {"description": "mine", "auto_stop_duration": 7_200}
        edit = submit_edit(instance=instance, actor=operator, patch=mine, base=base)
        finish(edit, "conflict")
        theirs_edit = submit_edit(
            instance=instance, actor=admin, patch={"description": "theirs"}, base={}
        )
        finish(theirs_edit, "applied")
        Instance.objects.update(description="theirs")
        html = as_operator.get(edit.get_absolute_url()).text
        form = html.partition('id="resolve"')[2].partition("</form>")[0]
        assert f"changed by <bdi>{admin}</bdi>, <time" in form
        assert "not changed by anyone else" in form
        choices = {f"choice_{name}": "theirs" for name in theirs}
        answer = as_operator.post(f"{edit.get_absolute_url()}resolve/", choices)
        assert answer.status_code == 303
        edit.refresh_from_db()
        if patch is None:
            assert edit.state == Edit.State.CANCELLED
            assert Edit.objects.count() == 2
        else:
            assert latest().patch == patch
            assert latest().retry_of == edit
            current = {"description": "theirs", "auto_stop_duration": 28_800}
            assert latest().base == {name: current[name] for name in patch}

    def test_name_and_tags_of_a_notebook_are_decided_alone(
        self, as_operator: Client, operator: User
    ) -> None:
        cloud = factories.make_cloud(has_tags=True)
        notebook = factories.make_notebook(cloud=cloud, tags={"team": "a"})
        base = {"name": notebook.name, "tags": {"team": "a"}}
        mine = {"name": "mine", "tags": {"team": "b"}}
        edit = submit_edit(instance=notebook, actor=operator, patch=mine, base=base)
        finish(edit, "conflict")
        Instance.objects.update(name="theirs", tags={"team": "c"})
        form = as_operator.get(edit.get_absolute_url()).text.partition('id="resolve"')
        for value in ("mine", "theirs", "team=b", "team=c"):
            assert f'dir="auto">{value}</span>' in form[2]
        as_operator.post(
            f"{edit.get_absolute_url()}resolve/", {"choice_tags": "theirs"}
        )
        assert latest().patch == {"name": "mine"}
        assert latest().base == {"name": "theirs"}

    def test_of_an_extension_it_names_who_moved_the_end(
        self, as_operator: Client, operator: User, admin: User
    ) -> None:
        notebook = factories.make_notebook(stops_in=7_200)
        edit = extend(notebook, operator, 6)
        finish(edit, "conflict")
        page = as_operator.get(edit.get_absolute_url()).text
        assert "It was changed outside Curfew" in page
        assert 'id="save-choices"' not in page
        theirs = extend(notebook, admin, 4)
        finish(theirs, "applied")
        Instance.objects.filter(pk=notebook.pk).update(**theirs.patch)
        page = as_operator.get(edit.get_absolute_url()).text
        assert f"Changed by <bdi>{admin}</bdi>, <time" in page


class TestConflict:
    """Someone else changed the same field between opening and saving."""

    def test_nothing_is_saved_and_all_three_values_are_shown(
        self, as_operator: Client, instance: Instance
    ) -> None:
        posted = form_fields(instance, description="mine")
        Instance.objects.update(description="theirs")
        answer = as_operator.post(form_url(instance), posted)
        html = answer.content.decode()
        assert answer.status_code == 422
        assert not Edit.objects.exists()
        for text in ("Churn model, second try", "theirs", "mine</textarea>"):
            assert text in html

    def test_saving_again_puts_mine_in_place_and_leaves_the_rest(
        self, as_operator: Client, instance: Instance
    ) -> None:
        posted = form_fields(instance, description="mine")
        Instance.objects.update(description="theirs", auto_stop_duration=3_600)
        html = as_operator.post(form_url(instance), posted).content.decode()
        assert 'name="auto_stop_hours"' in html
        assert 'value="1" data-min="1"' in " ".join(html.split())
        again = posted | {"seen": hidden(html, "seen"), "auto_stop_hours": "1"}
        as_operator.post(form_url(instance), again)
        assert latest().patch == {"description": "mine"}
        assert latest().base == {"description": "theirs"}

    def test_it_says_who_changed_each_setting_and_when(
        self, as_operator: Client, instance: Instance, admin: User
    ) -> None:
        posted = form_fields(instance, description="mine", auto_stop_hours="2")
        theirs = submit_edit(
            instance=instance,
            actor=admin,
            patch={"description": "theirs"},
            base={"description": instance.description},
        )
        Instance.objects.update(auto_stop_duration=3_600)
        html = as_operator.post(form_url(instance), posted).content.decode()
        assert f"changed by <bdi>{admin}</bdi>, <time" in html
        assert moment_text(theirs.created_at, "second") in html
        assert "changed outside Curfew" in html

    def test_each_setting_can_be_kept_or_taken(
        self, as_operator: Client, instance: Instance
    ) -> None:
        posted = form_fields(instance, description="mine", auto_stop_hours="2")
        Instance.objects.update(description="theirs", auto_stop_duration=3_600)
        html = as_operator.post(form_url(instance), posted).content.decode()
        again = posted | {
            "seen": hidden(html, "seen"),
            "choice_description": "mine",
            "choice_auto_stop_duration": "theirs",
        }
        as_operator.post(form_url(instance), again)
        assert latest().patch == {"description": "mine"}

    def test_another_field_is_no_conflict(
        self, as_operator: Client, instance: Instance
    ) -> None:
        posted = form_fields(instance, auto_stop_hours="2")
        Instance.objects.update(description="theirs")
        assert as_operator.post(form_url(instance), posted).status_code == 303
        assert latest().patch == {"auto_stop_duration": 7_200}


class TestSeen:
    """The note of what the form was opened on."""

    def test_without_one_the_mirror_counts(
        self, as_operator: Client, instance: Instance
    ) -> None:
        as_operator.post(
            form_url(instance), form_fields(instance, description="new", seen=None)
        )
        assert latest().patch == {"description": "new"}

    @pytest.mark.parametrize("token", ["nonsense", "a:b:c", "é" * 9, "." * 5_000])
    def test_a_forged_one_is_refused_and_the_text_kept(
        self, as_operator: Client, instance: Instance, token: str
    ) -> None:
        posted = form_fields(instance, description="new", seen=token)
        answer = as_operator.post(form_url(instance), posted)
        html = answer.content.decode()
        assert answer.status_code == 422
        assert "This form has expired" in html
        assert "new</textarea>" in html
        assert not Edit.objects.exists()
        as_operator.post(form_url(instance), posted | {"seen": hidden(html, "seen")})
        assert latest().patch == {"description": "new"}

    def test_one_of_another_instance_is_refused(
        self, as_operator: Client, instance: Instance
    ) -> None:
        other = factories.make_instance()
        token = FormSnapshot.now(other).token(other)
        with pytest.raises(SnapshotError):
            FormSnapshot.read(token, instance)

    def test_it_holds_for_a_day(self, instance: Instance) -> None:
        now = datetime.now(UTC)
        snapshot = FormSnapshot.now(instance)
        token = snapshot.token(instance)
        with time_machine.travel(now + timedelta(hours=23), tick=False):
            assert FormSnapshot.read(token, instance) == snapshot
        tomorrow = time_machine.travel(now + timedelta(hours=25), tick=False)
        with tomorrow, pytest.raises(SnapshotError):
            FormSnapshot.read(token, instance)
