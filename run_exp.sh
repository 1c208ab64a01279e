#!/usr/bin/env bash
# The published table: five seeds of six models on SUPPORT2, Survival MNIST and Sepsis.
# Arguments are those of `python -m survkit.grid_search`; --group NAME runs one of the three.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="$here/.venv/bin/python"
[ -x "$python" ] || python=python
export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"

exec "$python" -m survkit.grid_search --group support2_mixture mnist_mixture sepsis_mixture "$@"
