"""``python -m bench`` is ``sam-bench``."""

import sys

from bench.cli import main

sys.exit(main())
