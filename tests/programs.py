"""Programs that tests need from the machine: Chromium, PostgreSQL, Redis, uv.

Imports neither Django nor fixtures, so that the benchmarks can use it as well.
"""

import os
from typing import NoReturn

import pytest


def missing(program: str) -> NoReturn:
    """Skip the test because ``program`` is not installed; on CI, fail it instead."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{program} is missing, and on CI nothing may be.", pytrace=False)
    pytest.skip(f"{program} is not installed here.")
