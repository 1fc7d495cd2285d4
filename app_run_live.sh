#!/usr/bin/env bash
# Start the bot: make the environment when needed, validate the configuration, become the trading loop.
# All flags go to the loop (`./app_run_live.sh --help` lists them). Despite its name it trades on paper as shipped.
set -euo pipefail
trap 'exit 130' INT # of `kill -INT` alone, bash would take no notice while it waits for the validator

# The project's folder, also when this file was started through a symlink (macOS has no `readlink -f`).
source_path=${BASH_SOURCE[0]}
while [ -L "$source_path" ]; do
  folder=$(cd -P "$(dirname "$source_path")" && pwd)
  source_path=$(readlink "$source_path")
  case $source_path in /*) ;; *) source_path=$folder/$source_path ;; esac
done
root=$(cd -P "$(dirname "$source_path")" && pwd)
# shellcheck source=scripts/environment.sh
. "$root/scripts/environment.sh"

venv=$root/.venv
lock=$root/requirements.lock

# Rebuilding the environment under a running bot would take its modules away.
refuse_while_running() {
  local pid="" pid_file=$root/data/247trader-v2.pid
  if [ -f "$pid_file" ]; then
    read -r pid <"$pid_file" || true # a last line without its end is still a line
  fi
  case $pid in '' | *[!0-9]*) return 0 ;; esac
  if [ -x "$venv/bin/python" ] && kill -0 "$pid" 2>/dev/null; then
    echo "error: requirements.lock has changed, but process $pid still runs from the old environment." >&2
    echo "Fix: stop it (kill -INT $pid), then start again. If it is not the bot, remove data/247trader-v2.pid." >&2
    exit 75
  fi
}

config_dir=$root/config
wants_help=no
previous=""
for argument in "$@"; do
  [ "$previous" = --config-dir ] && config_dir=$argument
  case $argument in
    --config-dir=*) config_dir=${argument#--config-dir=} ;;
    -h | --help) wants_help=yes ;;
  esac
  previous=$argument
done

# Not by changing the directory: relative paths in flags are those of the caller. -P keeps the caller's files out.
export PYTHONPATH=$root

if [ "$wants_help" = yes ]; then # the flags need no packages: do not let a newcomer wait for an installation
  python=$(find_python) || exit 69
  exec "$python" -P -c 'import sys; from runner.options import parse_options; parse_options(sys.argv[1:])' "$@"
fi
if ! environment_is_current "$venv" "$lock"; then
  refuse_while_running
  make_environment "$venv" "$lock" || exit 69
fi
"$venv/bin/python" -P -m tools.config_validator --config-dir "$config_dir" || exit $?
exec "$venv/bin/python" -P -m runner.main_loop "$@"
