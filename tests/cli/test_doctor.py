"""``curfew doctor``; errors as JSON; completion."""

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.accounts.models import User
from dashboard.api.models import ApiToken
from dashboard.cli import completion
from dashboard.cli.errors import Code
from dashboard.instances.models import Instance
from dashboard.version import VERSION
from tests.factories import make_instance

from .conftest import Run

pytestmark = pytest.mark.usefixtures("_empty_cache", "_connected")


def test_a_healthy_setup(shell: Run, operator: User) -> None:
    code, out, _ = shell("doctor")
    settings, site, token = out.splitlines()
    assert code == Code.DONE
    assert settings == "✓ settings: Address and token of http://localhost."
    assert site == f"✓ site: It answers. Site and command are of version {VERSION}."
    assert token.startswith(
        f"✓ token: Of {operator.username} (operator), for read, write, until "
    )
    assert token.endswith("Create a new one on the page “API tokens”.")  # of one day
    ApiToken.objects.update(expires_at=timezone.now() + timedelta(days=30))
    assert "Create" not in shell("doctor")[1]


def test_other_versions_are_named(shell: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.api.views.overview.VERSION", "9.8.7")
    code, out, _ = shell("doctor")
    assert code == Code.DONE
    assert f"The site is of version 9.8.7, this command of {VERSION}." in out


def test_a_token_that_is_refused(shell: Run) -> None:
    ApiToken.objects.update(revoked_at=timezone.now())
    code, out, _ = shell("doctor", "--json")
    settings, site, token = json.loads(out)
    assert code == Code.SETUP
    assert (settings["healthy"], site["healthy"]) == (True, True)
    assert (token["name"], token["healthy"]) == ("token", False)
    assert token["sentence"]


def test_missing_settings(shell: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURFEW_TOKEN", "")
    monkeypatch.setenv("CURFEW_CONFIG", "/nowhere.toml")
    code, out, _ = shell("doctor")
    assert code == Code.SETUP
    assert re.fullmatch(r"✗ settings: Set CURFEW_URL and CURFEW_TOKEN, .*\n", out)


def test_an_error_is_json_as_well(shell: Run) -> None:
    code, out, err = shell("extend", "nothing", "--hours", "4", "--json")
    assert (code, out) == (Code.NOT_FOUND, "")
    assert json.loads(err) == {
        "error": "No instance matches “nothing”.",
        "exit_code": Code.NOT_FOUND,
    }


@pytest.mark.parametrize("shell_name", completion.SHELLS)
def test_completion_prints_a_script(shell: Run, shell_name: str) -> None:
    code, out, _ = shell("completion", shell_name)
    assert code == Code.DONE
    assert "_ARGCOMPLETE" in out
    assert re.search(r"^complete .*curfew|^#compdef curfew", out, re.MULTILINE)


def test_instances_complete_to_names_that_need_no_quotes(
    shell: Run, instance: Instance
) -> None:
    hostile = make_instance(name="$(rm -rf ~)\n")
    assert set(completion.instances("")) == {instance.name, hostile.instance_id}
    assert completion.instances(instance.name) == [instance.name]


def test_completion_is_silent_without_a_site(
    shell: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURFEW_TOKEN", "curfew_wrong")
    assert completion.instances("a") == []
