#!/bin/sh
# Fine-tunes the shipped net on a small drawn archive: sh run.sh [FOLDER [STEPS]]
# So few steps show that it works and hardly change the net; an archive of your own deserves --minutes 40.
set -eu
HERE=$(cd "$(dirname "$0")" && pwd)
PYTHON=${PYTHON:-python3}
WORK=${1:-finetune-example}
STEPS=${2:-60}
mkdir -p "$WORK"
cd "$WORK"
"$PYTHON" "$HERE/make_scans.py" scans
# --force keeps the model even if so few steps gained nothing.
"$PYTHON" -m ocrmypdf_superres finetune scans -l eng --steps "$STEPS" --conditions 72-hard --force -o my-archive
"$PYTHON" -m ocrmypdf_superres models verify ./my-archive
