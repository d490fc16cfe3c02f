#!/bin/sh
# Install the stock verifiers that the conformance tests run: a Python environment of their
# own (.venv-verifiers) and a node folder (tests/conformance/node_modules). Neither is part
# of the product. Runs twice in a row; needs a package index the first time only.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv="$root/.venv-verifiers"
python="$root/.venv/bin/python"

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
set -- model-signing==1.1.1 pyopenssl==26.4.0 sigstore==4.5.1 securesystemslib==1.6.0 \
    in-toto==3.1.0 rfc3161-client==1.0.9 in-toto-attestation==0.9.3 \
    'cyclonedx-python-lib[json-validation]==11.12.0'
if ! "$venv/bin/python" "$here/stock_versions.py" "$@" 2>/dev/null; then
    [ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"
    if ! "$root/.venv/bin/uv" pip install --quiet --python "$venv/bin/python" "$@" 2>/dev/null; then
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@" 2>/dev/null
    fi
fi
if [ ! -d "$here/node_modules/@sigstore/verify" ] || [ ! -d "$here/node_modules/axe-core" ]; then
    command -v npm >/dev/null || { echo "npm is missing: apt install npm" >&2; exit 1; }
    (cd "$here" && npm install --no-audit --no-fund --silent --no-save)
fi
command -v openssl >/dev/null || { echo "openssl is missing: apt install openssl" >&2; exit 1; }
