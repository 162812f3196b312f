"""``python -m pytest_runloop.cli``."""

from __future__ import annotations

import sys

from pytest_runloop.cli import main

sys.exit(main())
