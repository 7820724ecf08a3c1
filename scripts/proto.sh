#!/usr/bin/env bash
# Generates the ABCI messages from proto/abci.proto. The result is committed; only a change of the .proto needs this.
#
# The generator is pinned: what protobuf 6.31 generates runs on every runtime of 6.31 or later and of 7.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venvs/proto
package=src/hmchain/ledger/engines/cometbft
ruff=${VENV:-.venv}/bin/ruff

[[ -x $venv/bin/python ]] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet 'grpcio-tools==1.76.0'
"$venv/bin/python" -m grpc_tools.protoc --proto_path=proto --python_out="$package" --pyi_out="$package" abci.proto
for file in "$package"/abci_pb2.py "$package"/abci_pb2.pyi; do
  sed -i -e "1i # ruff: noqa" -e "s/\b_Mapping\]/_Mapping[str, object]]/g" "$file"
  "$ruff" format --quiet "$file"
done
