"""The clients that we ship, as they lie in `clients/`."""

from __future__ import annotations

import sys
from pathlib import Path

CLIENTS = Path(__file__).parents[2] / "clients"
for name in ("python", "django"):
    sys.path.insert(0, str(CLIENTS / name / "src"))
