#!/usr/bin/env bash
# Drives the gateway with the real Python SDKs of OpenAI and Anthropic, against a stand-in for the
# providers. Skipped where there is no Python, or no PyPI.
set -euo pipefail
cd "$(dirname "$0")/../../.."
venv=target/python-sdks
skip() { echo "skipped: the gateway's tests with Python: $1"; exit 0; }

python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || skip "there is no python3 of 3.9 or later"
if ! "$venv/bin/python" -c 'import openai, anthropic' 2>/dev/null; then
    python3 -m venv "$venv" >/dev/null || skip "python3 has no venv"
    "$venv/bin/pip" install --quiet openai anthropic >/dev/null 2>&1 || skip "PyPI cannot be reached"
fi
cargo build --quiet -p bursar-gateway --bins --examples
"$venv/bin/python" integrations/gateway/tests/sdks.py
