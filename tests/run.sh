#!/bin/sh
# Sets up what the tests need and runs them, one worker process a core: sh tests/run.sh [pytest arguments]
# With -n 0 among the arguments they run in one process.
set -eu
PROJECT=$(cd "$(dirname "$0")/.." && pwd)
EXTRAS="test"
# shellcheck source=examples/setup.sh
. "$PROJECT/examples/setup.sh"
cd "$PROJECT"
# The nets of the tests are tiny: a second thread costs them more than it gives.
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export OMP_NUM_THREADS
# Each worker holds torch in memory, so there are not more of them than tests can use.
exec "$PYTHON" -m pytest -n auto --maxprocesses 8 "$@"
