"""Serve an emulated cloud: ``python -m dashboard.emulator``.

Prints a clouds.yaml on stdout once it listens; ends on SIGTERM and SIGINT.
"""

import argparse
import signal
import sys
import threading
from pathlib import Path

from .behavior import Behavior
from .cloud import Emulator


def main() -> int:
    options = _parser().parse_args()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    cloud = Emulator(
        fleet=options.fleet,
        notebooks=_notebooks(options),
        behavior=Behavior(cloud=options.cloud, served=options.serves),
        seed=options.seed,
        speed=options.speed,
        host=options.host,
        port=options.port,
        skew_seconds=options.skew,
        token_seconds=options.token_seconds,
        verbose=options.verbose,
        hostile=options.hostile,
    )
    try:
        cloud.start()
    except OSError as error:
        sys.stderr.write(f"cannot listen on {cloud.url}: {error.strerror}\n")
        return 1
    text = cloud.clouds_yaml(options.name, signed=options.signed)
    if options.clouds_file is not None:
        options.clouds_file.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    sys.stdout.flush()
    stopping.wait()
    cloud.stop()
    return 0


def _notebooks(options: argparse.Namespace) -> float:
    """Return how many notebooks there are: by default half of what is served."""
    if options.notebooks is not None:
        return float(options.notebooks) / 100
    return {"both": 0.5, "demanager": 0.0, "notebooks": 1.0}[options.serves]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dashboard.emulator",
        description="An emulator of IAM and ModelArts on one port.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address (default %(default)s)")
    add("--port", type=int, default=0, help="port; 0, the default, takes a free one")
    add("--fleet", type=int, default=80, help="instances (default %(default)s)")
    add(
        "--notebooks",
        type=int,
        metavar="PERCENT",
        help="share of the notebooks generation (default: half)",
    )
    add(
        "--cloud",
        choices=("huawei", "otc"),
        default="huawei",
        help="whose edition of the notebooks generation (default %(default)s)",
    )
    add(
        "--serves",
        choices=("both", "demanager", "notebooks"),
        default="both",
        help="the generations of the API that are served (default %(default)s)",
    )
    add("--seed", type=int, default=1, help="which instances (default %(default)s)")
    add("--speed", type=float, default=1.0, help="emulated seconds per second")
    add("--skew", type=float, default=0.0, help="seconds the cloud's clock is ahead")
    add(
        "--token-seconds",
        type=float,
        default=86_400,
        help="life of a token, emulated seconds (default %(default)s)",
    )
    add("--name", default="demo", help="name of the cloud (default %(default)s)")
    add("--clouds-file", type=Path, help="write the clouds.yaml there, too")
    add("--signed", action="store_true", help="clouds.yaml with AK/SK, no password")
    add("--hostile", action="store_true", help="every text of the fleet an attack")
    add("--verbose", action="store_true", help="a line per request on stderr")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
