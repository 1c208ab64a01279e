#!/usr/bin/env bash
# The published table: five seeds of six models on SUPPORT2, Survival MNIST and Sepsis.
# Arguments are those of `python -m survkit.grid_search`; --group NAME runs one of the three.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# In a checkout the environment is in .venv; an installed script is beside the interpreter.
python="$here/.venv/bin/python"
[ -x "$python" ] || python="$here/python"
[ -x "$python" ] || python=python
if [ -d "$here/survkit" ]; then
  export PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}"
fi

exec "$python" -m survkit.grid_search --group support2_mixture mnist_mixture sepsis_mixture "$@"
