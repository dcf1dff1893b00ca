import sys

from .commands import main

sys.exit(main(prog="python -m dashboard.cli"))
