#!/bin/sh
# Sets up what the tests need and runs them: sh tests/run.sh [pytest arguments]
set -eu
PROJECT=$(cd "$(dirname "$0")/.." && pwd)
EXTRAS=test
. "$PROJECT/examples/setup.sh"
cd "$PROJECT"
exec "$PYTHON" -m pytest "$@"
