# shellcheck shell=bash
# Make a Python environment from a lock file. Sourced by app_run_live.sh and scripts/test.sh; bash 3.2 is enough.

# Print the path of a Python that is new enough, or say what to install.
find_python() {
  local name path
  for name in python3.11 python3.12 python3.13 python3.14 python3 python; do
    path=$(command -v "$name" 2>/dev/null) || continue
    if "$path" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      printf '%s\n' "$path"
      return 0
    fi
  done
  echo "error: Python 3.11 or newer was not found." >&2
  echo "Fix: install it (Debian, Ubuntu: apt install python3.11 python3.11-venv; macOS: brew install python@3.11)." >&2
  return 1
}

# environment_is_current VENV LOCK: was VENV finished, and from these very locked versions?
environment_is_current() {
  [ -x "$1/bin/python" ] && cmp -s "$2" "$1/installed.lock"
}

# make_environment VENV LOCK: build VENV anew. Its copy of the lock is written last: without it, it is not finished.
make_environment() {
  local venv=$1 lock=$2 python
  python=$(find_python) || return 1
  echo "Making the Python environment ${venv##*/} from ${lock##*/} (once, about a minute) ..."
  rm -rf "$venv" || return 1
  if ! "$python" -m venv "$venv"; then
    echo "error: $python could not make a virtual environment." >&2
    echo "Fix: install its venv module (Debian, Ubuntu: apt install python3-venv), then start again." >&2
    return 1
  fi
  if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$lock"; then
    echo "error: the locked dependencies could not be installed (see above)." >&2
    echo "Fix: check the network connection to the package index, then start again." >&2
    return 1
  fi
  cp "$lock" "$venv/installed.lock.new" && mv "$venv/installed.lock.new" "$venv/installed.lock" || return 1
  echo "The environment is ready."
}
