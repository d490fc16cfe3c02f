#!/usr/bin/env bash
# Tools that are too large for .venv, in an environment of their own (.venv-integrations), kept
# from run to run. Needs a package index the first time, and Java 17 for Spark.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=.venv-integrations
[ -x "$venv/bin/python" ] || .venv/bin/python -m venv "$venv"
pins="$(grep -E '^(pyarrow|cryptography|numpy)==' constraints.txt | tr '\n' ' ')"
wanted="feast==0.67.0 pyspark==4.3.0 $pins"
[ "$(cat "$venv/.wanted" 2>/dev/null)" != "$wanted" ] || exit 0
# shellcheck disable=SC2086  # a list of pins
"$venv/bin/python" -m pip install -q --disable-pip-version-check $wanted
printf '%s' "$wanted" >"$venv/.wanted"
