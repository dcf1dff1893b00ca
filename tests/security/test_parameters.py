"""What is asked for is read once, from one place, as it stands there."""

import ast
from pathlib import Path

from django.test import Client

from dashboard.accounts.models import User
from dashboard.edits.models import Edit
from dashboard.edits.snapshot import FormSnapshot
from dashboard.instances.models import Instance
from tests import factories

ROOT = Path(__file__).resolve().parent.parent.parent


def test_input_is_decoded_once(client: Client, viewer: User) -> None:
    factories.make_instance(name="50%25 off")
    factories.make_instance(name="50% off")
    client.force_login(viewer)
    page = client.get("/instances/?q=50%2525").text
    assert "50%25 off" in page
    assert "50% off" not in page
    assert client.get("/instances/demo/%252e%252e/").status_code == 404


def test_of_a_parameter_twice_the_last_one_counts(client: Client, viewer: User) -> None:
    factories.make_instance(name="alpha-1")
    factories.make_instance(name="omega-2")
    client.force_login(viewer)
    page = client.get("/instances/?q=alpha&q=omega").text
    assert ">omega-2</a>" in page
    assert ">alpha-1</a>" not in page
    assert client.get("/instances/?page=1&page=%27&sort=x&sort=name").status_code == 200


def test_of_a_field_twice_too_and_none_comes_from_the_address(
    client: Client, instance: Instance, operator: User
) -> None:
    client.force_login(operator)
    form = {
        "description": ["one", "two"],
        "auto_stop_enable": "on",
        "auto_stop_hours": ["2", "3"],
        "seen": FormSnapshot.now(instance).token(instance),
    }
    url = f"{instance.get_absolute_url()}edit/?description=three&auto_stop_hours=4"
    assert client.post(url, form).status_code == 303
    patch = Edit.objects.get().patch
    assert patch["description"] == "two"
    assert patch["auto_stop_duration"] == 3 * 3600


MODULES = sorted(
    str(module.relative_to(ROOT))
    for module in (ROOT / "dashboard").rglob("*.py")
    if "emulator" not in module.parts
)


def test_no_regular_expression_comes_from_input() -> None:
    assert len(MODULES) > 300
    for module in MODULES:
        _names_its_regular_expressions(module)


def _names_its_regular_expressions(module: str) -> None:
    text = (ROOT / module).read_text()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of_re = getattr(node.func.value, "id", "") == "re"
        if of_re and node.func.attr not in {"escape", "purge"}:
            pattern = node.args[0]
            named = isinstance(pattern, ast.Name) and pattern.id.isupper()
            spelled = isinstance(pattern, ast.Constant)
            composed = isinstance(pattern, ast.JoinedStr) and all(
                isinstance(part, ast.Constant)
                or getattr(getattr(part, "value", None), "id", "").isupper()
                for part in pattern.values
            )
            assert named or spelled or composed, f"{module}:{node.lineno}"
    assert "__regex" not in text, module
