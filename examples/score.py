# SPDX-License-Identifier: MPL-2.0
"""Print the character error rates of two texts against the truth: score.py TRUTH WITHOUT WITH."""

import sys
from pathlib import Path

from ocrmypdf_superres.metrics.text import score

truth, without, with_plugin = (Path(name).read_text(encoding="utf-8") for name in sys.argv[1:4])
for label, text in (("without the plugin", without), ("with the plugin", with_plugin)):
    result = score(text, truth)
    print(f"{label:20} CER {result.cer:6.1%}   words found {result.recall:6.1%}")
