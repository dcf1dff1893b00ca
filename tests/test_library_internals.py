"""Undocumented names of libraries: each is listed, exists, and was tried."""

import ast
import inspect
import pydoc
import re
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PAPER = ROOT / "docs/decisions/0019-library-internals.md"
DOCUMENTED = {
    *("_meta", "_base_manager", "_default_manager"),
    *("_asdict", "_make", "_replace"),
    "_exit",
}


class Use(NamedTuple):
    package: str
    tried_with: str
    name: str
    file: str


USES = [
    Use(*row)
    for row in re.findall(
        r"^\| ([a-z-]+) \| ([\w.]+) \| `([\w.]+)` \| `([\w/.]+)` \|",
        PAPER.read_text(),
        re.MULTILINE,
    )
]


def is_tried(installed: str, tried_with: str) -> bool:
    """Whether a version is the tried one, or a later one that is compatible with it."""
    now, then = Version(installed), Version(tried_with)
    fixed = 1 if then.major else 2
    return now >= then and now.release[:fixed] == then.release[:fixed]


@pytest.mark.parametrize("use", USES, ids=lambda use: use.name)
def test_the_installed_version_was_tried(use: Use) -> None:
    installed = version(use.package)
    assert is_tried(installed, use.tried_with), (
        f"{use.package} {installed} is installed, but dashboard/{use.file} was tried "
        f"with {use.tried_with}. Check {use.name} and update {PAPER.name}."
    )


@pytest.mark.parametrize("use", USES, ids=lambda use: use.name)
def test_the_name_exists_and_is_used(use: Use) -> None:
    owner, _, name = use.name.rpartition(".")
    # Attributes of instances appear only in the source of their class.
    classes: tuple[type, ...] = getattr(pydoc.locate(owner), "__mro__", ())
    exists = pydoc.locate(use.name) is not None or any(
        re.search(rf"\b{name}\b", inspect.getsource(each))
        for each in classes
        if each is not object
    )
    assert exists, f"{use.package} has no {use.name} any more."
    assert re.search(rf"\b{name}\b", (ROOT / "dashboard" / use.file).read_text())


@pytest.mark.parametrize(
    ("installed", "tried_with", "expected"),
    [
        ("65.22.1", "65.22.1", True),
        ("65.30.0", "65.22.1", True),
        ("65.21.0", "65.22.1", False),
        ("66.0.0", "65.22.1", False),
        ("0.54.2", "0.54.0", True),
        ("0.55.0", "0.54.0", False),
    ],
)
def test_which_versions_count(installed: str, tried_with: str, expected: bool) -> None:
    assert is_tried(installed, tried_with) is expected


def test_each_private_name_is_listed() -> None:
    listed = {(use.file, use.name.rpartition(".")[2]) for use in USES}
    unlisted = [
        (file, name)
        for file, name in sorted(private_names())
        if (file, name) not in listed
    ]
    assert not unlisted, f"Add these to {PAPER.name}: {unlisted}"


def private_names() -> set[tuple[str, str]]:
    """Private names of others that ``dashboard`` uses, by file."""
    trees = {
        str(path.relative_to(ROOT / "dashboard")): ast.parse(path.read_text())
        for path in (ROOT / "dashboard").rglob("*.py")
        if "migrations" not in path.parts
    }
    ours = {name for tree in trees.values() for name in own_names(tree)}
    names = set()
    for file, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and is_private(node.attr):
                is_self = isinstance(node.value, ast.Name) and node.value.id == "self"
                is_super = "super()" in ast.unparse(node.value)
                if is_super or (not is_self and node.attr not in ours):
                    names.add((file, node.attr))
            if isinstance(node, ast.ImportFrom) and not node.level:
                module = node.module or ""
                if re.search(r"\.(_|internal\b)", module):
                    names |= {(file, alias.name) for alias in node.names}
    return names


def own_names(tree: ast.Module) -> set[str]:
    """Names that our classes define as attributes of their own."""
    annotated = {
        node.target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    slots = {
        name
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__"
        for name in ast.literal_eval(node.value)
    }
    return annotated | slots


def is_private(name: str) -> bool:
    return re.match(r"_[a-z]", name) is not None and name not in DOCUMENTED
