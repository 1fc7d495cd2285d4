#!/usr/bin/env bash
# Everything a developer needs before a commit: format, lint, types, import rules, shell scripts, tests.
# Usage: scripts/test.sh [pytest arguments]. Its own environment (.venv-dev) leaves a running bot's alone.
set -uo pipefail
root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
# shellcheck source=scripts/environment.sh
. scripts/environment.sh

venv=$root/.venv-dev
lock=$root/requirements-dev.lock
if ! environment_is_current "$venv" "$lock"; then
  make_environment "$venv" "$lock" || exit 1
fi
bin=$venv/bin
unset PYTHONPATH
failed=""

step() { # step NAME COMMAND...
  local name=$1
  shift
  printf '== %s\n' "$name"
  "$@" </dev/null || failed="$failed $name"
}

step ruff-check "$bin/ruff" check .
step ruff-format "$bin/ruff" format --check .
step mypy "$bin/mypy"
step lint-imports "$bin/lint-imports"
step shellcheck "$bin/shellcheck" -x app_run_live.sh scripts/*.sh .ci/run
command -v jq >/dev/null || echo "note: jq is not installed: the tests of the documents' jq commands will be skipped"
# More workers than the two cores: many tests wait for processes. Each file is run by one of them: what a file sets up once is set up once.
step pytest "$bin/python" -m pytest -n 3 --dist loadfile --no-loadscope-reorder "$@"

if [ -n "$failed" ]; then
  echo "scripts/test.sh: FAILED:$failed"
  exit 1
fi
echo "scripts/test.sh: all checks passed"
