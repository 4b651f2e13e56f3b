#!/bin/sh
# Sets up what the tests need and runs them: sh tests/run.sh [pytest arguments]
set -eu
PROJECT=$(cd "$(dirname "$0")/.." && pwd)
EXTRAS=test
. "$PROJECT/examples/setup.sh"
cd "$PROJECT"
# The nets of the tests are tiny: a second thread costs them more than it gives.
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export OMP_NUM_THREADS
exec "$PYTHON" -m pytest "$@"
