#!/usr/bin/env bash
# How the number of experts matters: four numbers, five seeds of each mixture, three datasets.
# Arguments are those of `python -m survkit.grid_search`; --group NAME runs one of the three.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

exec "$here/run_exp.sh" \
  --group support2_expert_sensitivity mnist_expert_sensitivity sepsis_expert_sensitivity "$@"
