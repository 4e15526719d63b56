"""``python -m bench`` is ``sam-bench``."""

import sys

from bench.cli import main

if __name__ == "__main__":  # processes that are spawned import this file
    sys.exit(main())
