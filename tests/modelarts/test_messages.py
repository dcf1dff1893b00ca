"""What errors say in English, without Django."""

import subprocess
import sys

from dashboard.modelarts import errors, messages

_WITHOUT_DJANGO = """
import sys
from dashboard.modelarts import messages
from dashboard.modelarts.clouds import ConfigurationError
print(ConfigurationError(messages.NO_CLOUD_CHOSEN, {"known": "lab"}))
assert "django" not in sys.modules
"""


def test_an_error_prints_its_english_status_and_code() -> None:
    error = errors.StateRefusedError(
        messages.ALREADY_RUNNING, status=400, error_code="ModelArts.6305"
    )
    assert error.sentence == "The instance is already running."
    assert str(error) == ("The instance is already running. (HTTP 400, ModelArts.6305)")


def test_values_are_filled_in() -> None:
    error = errors.ConfigurationError(messages.NO_CLOUD_CHOSEN, {"known": "lab, prod"})
    assert str(error) == "No cloud is chosen; set OS_CLOUD to one of: lab, prod."


def test_errors_print_without_django() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_DJANGO],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "No cloud is chosen; set OS_CLOUD to one of: lab.\n"
