#!/bin/sh
# Sets everything up and runs the main job on a sample scan: sh examples/quickstart.sh
set -eu
PROJECT=$(cd "$(dirname "$0")/.." && pwd)
# The plugin alone: on a CPU it needs none of the extras.
EXTRAS=""
# shellcheck source=examples/setup.sh
. "$PROJECT/examples/setup.sh"
cd "$PROJECT"
OUT="$PROJECT/examples/out"
mkdir -p "$OUT"
SAMPLE="$PROJECT/examples/sample-72dpi.pdf"

"$PYTHON" -m ocrmypdf -q --output-type pdf --sidecar "$OUT/without.txt" "$SAMPLE" "$OUT/without.pdf"
"$PYTHON" -m ocrmypdf -q --output-type pdf --sidecar "$OUT/with.txt" --plugin ocrmypdf_superres "$SAMPLE" "$OUT/with.pdf"

"$PYTHON" examples/score.py "$PROJECT/examples/sample-72dpi.gt.txt" "$OUT/without.txt" "$OUT/with.txt"
echo "The searchable PDF: $OUT/with.pdf"
echo "Your own:           $PYTHON -m ocrmypdf --plugin ocrmypdf_superres in.pdf out.pdf"
