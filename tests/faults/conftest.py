"""The stacks, one of each kind for all tests, and their logs where a test fails."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests.conftest import FIGURE

from .checker import violations
from .stack import Stack

KINDS = [
    pytest.param("embedded"),
    pytest.param("production", marks=[pytest.mark.postgres, pytest.mark.redis]),
]


@pytest.fixture
def cloud_options() -> dict[str, Any]:
    """The usual fleet, and notebooks beside it."""
    return {"fleet": 60, "notebooks": 20}


@pytest.fixture(scope="session", params=KINDS)
def one_stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """Started once for all tests; each uses instances of its own.

    At the end the checker goes over all that happened.
    """
    stack = Stack(request.param, tmp_path_factory.mktemp(request.param))
    try:
        stack.start()
        yield stack
        stack.finish()
        assert violations(stack.evidence()) == []
    finally:
        stack.stop()


@pytest.fixture
def stack(one_stack: Stack, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack that is whole, and is made whole again afterwards."""
    yield one_stack
    for figure in one_stack.figures:
        request.node.user_properties.append((FIGURE, f"{one_stack.kind}: {figure}"))
    one_stack.figures.clear()
    one_stack.mend()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of each process's log where a test failed."""
    report = yield
    arguments: dict[str, Any] = getattr(item, "funcargs", {})
    stack = arguments.get("one_stack")
    if report.failed and stack is not None:
        for child in stack.children():
            log = "\n".join(line[:1000] for line in child.last_lines(30))
            report.sections.append((f"end of {child.log_path}", log))
    return report
