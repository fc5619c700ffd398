#!/bin/sh
# run.sh VENV TALLY: a virtual environment with Debian's torch and pinned torchmetrics and lightning, and the tests in it.
#
# Debian's metadata calls its torch 1.13.0a0, which pip would replace: so --no-deps, and what they need by name.
set -eu
VENV=$1
TALLY_BIN=$2
export TALLY_BIN
HERE=$(cd "$(dirname "$0")" && pwd)
PINNED="torchmetrics==1.9.0 lightning==2.2.5 lightning-utilities==0.15.3 packaging typing_extensions tqdm fsspec PyYAML"

if ! [ -e "$VENV/.ready" ] || [ "$(cat "$VENV/.ready")" != "$PINNED" ]; then
    rm -rf "$VENV"
    /usr/bin/python3 -m venv --system-site-packages "$VENV"
    # shellcheck disable=SC2086
    if ! "$VENV/bin/pip" install --quiet --disable-pip-version-check --no-deps $PINNED; then
        rm -rf "$VENV"
        echo '************************************************************************'
        echo '*  NOT RUN: pip reaches no package index. The integrations (torch,     *'
        echo '*  torchmetrics, lightning) are UNTESTED by this run.                  *'
        echo '************************************************************************'
        exit 0
    fi
    echo "$PINNED" >"$VENV/.ready"
fi
cd "$HERE/../.."
PYTHONPATH="$HERE/compat" exec "$VENV/bin/python" -m unittest discover -s tests/integrations
