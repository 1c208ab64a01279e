"""The commands of a batch script: a training that is tried again, ended in time, and requeued.

A script runs one job, or as a job array the job of each task. An array is known by its script
alone: it names the run of every task.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import survkit
from survkit.cli import BAD_INPUT, RUNS_ELSEWHERE
from survkit.configs.batch_run import BatchRunConfig
from survkit.launch.jobs import Job
from survkit.launch.process import THREAD_VARIABLES

_TASK = re.compile(r"^(\d+)\) # run ([0-9a-f]{16})", re.MULTILINE)

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 127)}
_ESCAPES |= {ord("\\"): "\\\\", ord("'"): "\\'"}

_TRAIN = r"""
stop=
signals=0
child=
on_signal() {
  stop=$1
  signals=$((signals + 1))
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap 'on_signal requeue' USR1 # sent by SLURM some time before the time limit
trap 'on_signal end' TERM     # scancel, preemption, the time limit itself

saved() { stat --format=%y "$checkpoint" 2>/dev/null; }
saved_before=$(saved)

for ((attempt = 1; attempt <= attempts; attempt++)); do
  echo "=== $(date --iso-8601=seconds) attempt $attempt on $(hostname), SLURM job $job"
  "${command[@]}" &
  child=$!
  [ -z "$stop" ] || kill -TERM "$child"
  # A signal ends the wait before the training has ended.
  while seen=$signals; wait "$child"; status=$?; ((signals > seen)); do :; done
  child=
  [ -z "$stop" ] || break
  case $status in 0 | "$bad_input" | "$runs_elsewhere") break ;; esac
  ((status <= 128)) || echo "killed by SIG$(kill -l "$status")"
done

if [ "$status" = "$runs_elsewhere" ] && [ "$requeue" = yes ] && [ "$stop" != end ]; then
  echo "job $job requeues itself to look again later"
  scontrol requeue "$job"
elif [ "$stop" = requeue ] && ((status > 128)); then
  if [ "$(saved)" = "$saved_before" ]; then
    echo "no checkpoint within the time limit; give the job a longer --time"
  else
    echo "the time limit is near; job $job requeues itself"
    scontrol requeue "$job"
  fi
fi
exit "$status"
"""


def run_key(job: Job) -> str:
    """Return 16 hex digits by which a run is known in the queue: a hash of its folder."""
    folder = str(job.folder.resolve()).encode(errors="surrogateescape")
    return hashlib.sha256(folder).hexdigest()[:16]


def array_runs(script: str) -> dict[int, str]:
    """Return the `run_key` of every task of a job array, read from its script."""
    return {int(task): key for task, key in _TASK.findall(script)}


def run_commands(jobs: Sequence[Job], config: BatchRunConfig, *, array: bool) -> str:
    """Return the bash commands that run a job, or in a job array the job of each task."""
    root = str(Path(survkit.__file__).parent.parent)
    settings = [
        f'export PYTHONPATH={shell_quoted(root)}"${{PYTHONPATH:+:$PYTHONPATH}}"',
        "export PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1",
        f"export {' '.join(f'{name}={config.cpu}' for name in THREAD_VARIABLES)}",
        f"bad_input={BAD_INPUT} runs_elsewhere={RUNS_ELSEWHERE}",
        f"attempts={config.retries + 1} requeue={'yes' if config.requeue else 'no'}",
    ]
    if array:
        lines = ["job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID", *_choice_of_task(jobs)]
    else:
        lines = ["job=$SLURM_JOB_ID", *_variables(jobs[0])]
    return "\n".join([*settings, *lines]) + "\n" + _TRAIN


def _choice_of_task(jobs: Sequence[Job]) -> list[str]:
    lines = ["case $SLURM_ARRAY_TASK_ID in"]
    for task, job in enumerate(jobs):
        lines += [
            f"{task}) # run {run_key(job)}: {one_line(job.name)}",
            f"  log={shell_quoted(str(job.log))}",
            *(f"  {line}" for line in _variables(job)),
            "  ;;",
        ]
    return [*lines, "esac", 'exec >>"$log" 2>&1']


def _variables(job: Job) -> list[str]:
    command = [sys.executable, "-m", "survkit.train", *job.arguments]
    return [
        f"checkpoint={shell_quoted(str(job.folder / 'last.pt'))}",
        f"command=({' '.join(map(shell_quoted, command))})",
    ]


def one_line(text: str) -> str:
    """Return text with every run of white space made one space."""
    return " ".join(text.split())


def shell_quoted(text: str) -> str:
    r"""Quote text for bash, all on one line: sbatch refuses a script that holds \r\n."""
    return shlex.quote(text) if text.isprintable() else f"$'{text.translate(_ESCAPES)}'"
