#!/usr/bin/env bash
# Write constraints.txt anew from what .venv holds; run it after adding or raising a dependency.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
setuptools="${1:-84.2.1}"
new="$(mktemp constraints.XXXXXX)"
{
  echo "# Exact versions of everything, direct or not. Written by scripts/pin.sh; do not edit by hand."
  {
    .venv/bin/python -m pip freeze --exclude-editable --exclude torch --exclude safetensors --exclude xgboost --exclude govern | grep -v '@'
    echo "setuptools==$setuptools"
    echo "safetensors==0.8.0"
    echo "torch==2.13.0"
    echo "xgboost==3.2.0"
  } | LC_ALL=C sort -f
} >"$new"
chmod 644 "$new"
mv "$new" constraints.txt
