#!/bin/sh
# run.sh VENV TALLY: a virtual environment with Debian's torch and pinned frameworks, and the tests in it.
#
# Debian's metadata calls its torch 1.13.0a0, which pip would replace: so --no-deps, and what they need by name.
# Keras computes with JAX here.  Where only Keras or transformers cannot be had, their tests say so and are skipped.
set -eu
VENV=$1
TALLY_BIN=$2
export TALLY_BIN
HERE=$(cd "$(dirname "$0")" && pwd)
PINNED="torchmetrics==1.9.0 lightning==2.2.5 lightning-utilities==0.15.3 packaging==24.2 typing_extensions==4.12.2 tqdm==4.67.1
    fsspec==2024.10.0 PyYAML==6.0.2"
TRANSFORMERS="transformers==4.36.2 accelerate==0.25.0 tokenizers==0.15.2 safetensors==0.4.5 huggingface_hub==0.20.3 regex==2024.11.6
    filelock==3.16.1 requests==2.32.3 urllib3==2.2.3 idna==3.10 certifi==2024.8.30 charset-normalizer==3.4.0 psutil==6.0.0"
KERAS="keras==3.3.3 jax==0.4.26 jaxlib==0.4.26 ml_dtypes==0.4.0 opt_einsum==3.3.0 scipy==1.11.4 absl-py==2.1.0 rich==13.7.1
    markdown-it-py==3.0.0 mdurl==0.1.2 pygments==2.17.2 namex==0.0.8 optree==0.11.0 h5py==3.11.0"

get() {
    "$VENV/bin/pip" install --quiet --disable-pip-version-check --no-deps "$@"
}

if ! [ -e "$VENV/.ready" ] || [ "$(cat "$VENV/.ready")" != "$PINNED $TRANSFORMERS $KERAS" ]; then
    rm -rf "$VENV"
    /usr/bin/python3 -m venv --system-site-packages "$VENV"
    # shellcheck disable=SC2086
    if ! get $PINNED; then
        rm -rf "$VENV"
        echo '************************************************************************'
        echo '*  NOT RUN: pip reaches no package index. The integrations (torch,     *'
        echo '*  torchmetrics, Lightning, Keras, Hugging Face) are UNTESTED.         *'
        echo '************************************************************************'
        exit 0
    fi
    # shellcheck disable=SC2086
    if get $TRANSFORMERS && get $KERAS; then
        echo "$PINNED $TRANSFORMERS $KERAS" >"$VENV/.ready"  # else it is tried again the next time
    fi
fi
cd "$HERE/../.."
HF_HUB_OFFLINE=1 PYTHONPATH="$HERE/compat" exec "$VENV/bin/python" -m unittest discover -s tests/integrations
