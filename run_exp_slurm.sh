#!/usr/bin/env bash
# The published table on SLURM: run_exp.sh with every run a job of its own, followed to the end.
# More arguments are those of `python -m survkit.grid_search`: --partition, --account, --gpu ...
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

exec "$here/run_exp.sh" --runner slurm --wait "$@"
