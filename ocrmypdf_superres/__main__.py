# SPDX-License-Identifier: MPL-2.0
"""``python -m ocrmypdf_superres``."""

from __future__ import annotations

import sys

from ocrmypdf_superres.cli import main

sys.exit(main())
