#!/bin/sh
# The checks that run before the tests, with the tools of the extra "dev" on PATH: sh .ci/checks.sh
# .pre-commit-config.yaml calls the same ones.
set -eu
cd "$(dirname "$0")/.."
ruff format --check .
ruff check .
mypy
codespell
if command -v shellcheck >/dev/null 2>&1; then
    shellcheck -x .ci/run .ci/checks.sh tests/run.sh examples/*.sh examples/*/*.sh
fi
python -m pytest -q -n 0 tests/test_layers.py tests/test_public_api.py tests/test_vocabulary.py
