"""A client nobody here wrote, against the emulator: otcextensions, the vendor's SDK."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.emulator import Emulator
from tests.programs import missing

SCRIPT = Path(__file__).with_name("otcextensions_check.py")
#: Newer openstacksdk breaks this otcextensions.
PACKAGES = ("otcextensions==0.34.8", "openstacksdk<4.22")
NAME = "weekend-job"


def environment(clouds_file: Path) -> dict[str, str]:
    """Return this process's environment with the emulator as the only cloud."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith("OS_")}
    return kept | {
        "OS_CLIENT_CONFIG_FILE": str(clouds_file),
        # The packages may come through a proxy, the loopback must not.
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def isolated(*command: str) -> list[str]:
    """Return the command line that runs Python with the packages and nothing else."""
    uv = shutil.which("uv")
    if uv is None:
        missing("uv")
    # This very interpreter: it is sure to be there.
    line = [str(uv), "run", "--quiet", "--isolated", "--no-project"]
    line += ["--python", sys.executable]
    for package in PACKAGES:
        line += ["--with", package]
    return [*line, "python", *command]


@pytest.mark.stack
def test_otcextensions_lists_gets_updates_starts_and_stops(tmp_path: Path) -> None:
    with Emulator(fleet=60, speed=20) as cloud:
        clouds_file = tmp_path / "clouds.yaml"
        clouds_file.write_text(cloud.clouds_yaml("demo"), encoding="utf-8")
        env = environment(clouds_file)

        # In a folder of its own: uv must not find this project.
        probe = subprocess.run(
            isolated("-c", "import otcextensions"),
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=150,
        )
        if probe.returncode:
            sys.stderr.write(probe.stderr)
            missing(f"{PACKAGES[0]} (uv exited with {probe.returncode})")
        done = subprocess.run(
            isolated(str(SCRIPT), NAME),
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=150,
        )
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)

        assert seen["listed"] == 60
        assert seen["got"] == [NAME, "STOPPED", "tom.becker"]
        assert seen["start"] == ["STOPPED", "STARTING"]
        assert seen["stop_timestamp"] > cloud.clock.now_ms()
        assert seen["updated"] == ["changed by otcextensions", 7_200]
        assert seen["stop"] == ["RUNNING", "STOPPING"]
        assert seen["final"] == ["changed by otcextensions", "STOPPED"]
        assert "ModelArts.6307" in seen["refusal"]

        # The second witness: what the cloud itself stored.
        held = cloud.fleet.get(seen["id"])
        assert held.description == "changed by otcextensions"
        assert held.auto_stop.duration_seconds == 7_200
        assert held.auto_stop.prompt is False
        (update,) = cloud.log.entries(route="update")
        assert update.applied is not None
