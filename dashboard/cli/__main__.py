import sys

from .command_line import main

sys.exit(main(prog="python -m dashboard.cli"))
