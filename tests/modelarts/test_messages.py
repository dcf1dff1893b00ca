"""The English text of errors, without Django."""

import subprocess
import sys

from dashboard.modelarts import errors
from dashboard.modelarts.messages import Problem

_WITHOUT_DJANGO = """
import sys
from dashboard.modelarts.messages import Problem
from dashboard.modelarts.errors import ConfigurationError
print(ConfigurationError(Problem.NO_CLOUD_CHOSEN, {"known": "lab"}))
assert "django" not in sys.modules
"""


def test_an_error_prints_its_english_status_and_code() -> None:
    error = errors.StateRefusedError(
        Problem.ALREADY_RUNNING, status=400, error_code="ModelArts.6305"
    )
    assert error.sentence == "The instance is already running."
    assert str(error) == ("The instance is already running. (HTTP 400, ModelArts.6305)")


def test_values_are_filled_in() -> None:
    error = errors.ConfigurationError(Problem.NO_CLOUD_CHOSEN, {"known": "lab, prod"})
    assert str(error) == "No cloud is selected; set OS_CLOUD to one of: lab, prod."


def test_errors_print_without_django() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_DJANGO],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "No cloud is selected; set OS_CLOUD to one of: lab.\n"
