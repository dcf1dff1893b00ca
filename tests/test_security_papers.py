"""The documents on security leave out no threat, requirement, rule or audit action."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODEL = (ROOT / "docs" / "security.md").read_text()
ASVS = (ROOT / "docs" / "security" / "asvs.md").read_text()
RULES = (ROOT / "docs" / "security" / "rules.md").read_text()


def rows(text: str) -> dict[str, list[str]]:
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]
    return {row[0]: row[1:] for row in cells}


THREATS = [
    f"T{number}" for number in range(1, len(re.findall(r"^\| T\d", MODEL, re.M)) + 1)
]


@pytest.mark.parametrize("threat", THREATS)
def test_each_threat_has_a_test_or_is_open(threat: str) -> None:
    assert re.search(r"`tests/|\*open\*", rows(MODEL)[threat][-1])


def test_each_requirement_has_a_state_and_a_reason() -> None:
    judged = {key: row for key, row in rows(ASVS).items() if re.match(r"\d", key)}
    for key, (about, state, by) in judged.items():
        assert state in {"met", "n/a", "open"}, key
        assert about, key
        assert by, key


def test_all_requirements_are_judged_and_counted() -> None:
    states = [row[1] for key, row in rows(ASVS).items() if re.match(r"\d", key)]
    beyond = {"1.2.10"}
    assert beyond <= rows(ASVS).keys()
    assert len(states) - len(beyond) == 253
    met, not_ours, still_open = re.findall(r"(\d+)\s(?:met|n/a|open)\b", ASVS)[:3]
    counted = [states.count(state) for state in ("met", "n/a", "open")]
    counted[0] -= len(beyond)
    assert counted == [int(met), int(not_ours), int(still_open)]


def test_each_module_with_sql_of_its_own_is_named() -> None:
    written = re.compile(r"(cursor|_connection)\.execute(many)?\(|\.raw\(")
    app = ROOT / "dashboard"
    named = re.findall(r"`([\w/]+\.py)`", rows(ASVS)["1.2.4"][-1])
    assert {name for name in named if not name.startswith("tests/")} == {
        str(path.relative_to(app))
        for path in app.rglob("*.py")
        if written.search(path.read_text())
    }


@pytest.mark.parametrize("place", re.findall(r"`(\w+/\w+\.py)`", RULES))
def test_each_place_of_a_rule_is_there(place: str) -> None:
    assert (ROOT / "dashboard" / place).exists()


class Actions(ast.NodeVisitor):
    """Actions of the audit trail that a module names, varying parts as ``<state>``."""

    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_Call(self, node: ast.Call) -> None:
        called = getattr(node.func, "id", "")
        if called.startswith(("record_event", "_record")):
            for given in [*node.args, *(word.value for word in node.keywords)]:
                self._take(given)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if [getattr(target, "id", "") for target in node.targets] == ["action"]:
            self._take(node.value)
        self.generic_visit(node)

    def _take(self, value: ast.expr) -> None:
        if isinstance(value, ast.IfExp):
            self._take(value.body)
            self._take(value.orelse)
        text = getattr(value, "value", "")
        if isinstance(value, ast.JoinedStr):
            parts = [getattr(part, "value", "") for part in value.values]
            text = "".join(
                part if isinstance(part, str) else "<state>" for part in parts
            )
        if isinstance(text, str) and re.fullmatch(r"[a-z_]+\.[a-z_<>]+", text):
            self.found.add(text)


def actions() -> set[str]:
    visitor = Actions()
    for module in (ROOT / "dashboard").rglob("*.py"):
        if "record_event" in (text := module.read_text()):
            visitor.visit(ast.parse(text))
    return visitor.found


def test_each_action_of_the_audit_trail_is_told() -> None:
    _, _, trail = MODEL.partition("## The audit trail")
    table = "".join(line for line in trail.splitlines() if line.startswith("| `"))
    told = re.findall(r"`([a-z_]+\.[a-z_<>]+)`", table)
    assert len(told) == len(set(told))
    assert set(told) == actions()
    assert len(told) > 30, "or the search has become blind"
