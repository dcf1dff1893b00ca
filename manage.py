#!/usr/bin/env python
"""Django's command line."""

import sys

from dashboard.__main__ import main

if __name__ == "__main__":
    main(sys.argv[1:])
