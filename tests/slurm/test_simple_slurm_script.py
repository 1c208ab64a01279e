"""What each cluster's function asks for, as sbatch reads it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from survkit.slurm.simple_slurm_script import (
    CLUSTERS,
    Submission,
    example_site,
    generic,
    quoted,
    quoted_path,
)
from tests.slurm.job_fixtures import make_config

SUBMISSION = Submission("mtlr seed=42", "survkit run 0", Path("/logs/a.log"))


def options(script: str) -> dict[str, str]:
    lines = [line.split(None, 2) for line in script.splitlines() if line.startswith("#SBATCH")]
    return {line[1].removeprefix("--"): " ".join(line[2:]) for line in lines}


def test_a_plain_job_asks_for_what_the_flags_say() -> None:
    config = make_config(
        account="lab",
        partition="gpu",
        qos="high",
        gpu="a100:1",
        cpu=4,
        memory="16G",
        time="2:00:00",
    )
    assert options(generic(config, SUBMISSION).script()) == {
        "account": '"lab"',
        "partition": '"gpu"',
        "qos": '"high"',
        "gres": "gpu:a100:1",
        "cpus-per-task": "4",
        "mem": "16G",
        "time": "2:00:00",
        "job-name": '"mtlr seed=42"',
        "comment": '"survkit run 0"',
        "output": '"/logs/a.log"',
        "open-mode": "append",
        "requeue": "",
        "signal": "B:USR1@120",
    }


def test_what_is_not_asked_for_is_left_to_the_cluster() -> None:
    asked = options(generic(make_config(requeue=False), SUBMISSION).script())
    assert not {"account", "partition", "qos", "gres", "array", "dependency"} & set(asked)
    assert "no-requeue" in asked
    assert not {"requeue", "signal"} & set(asked)


def test_an_array_with_dependencies() -> None:
    submission = SUBMISSION._replace(after=("17", "18_3"), tasks=12)
    asked = options(generic(make_config(array_limit=5), submission).script())
    assert asked["array"] == "0-11%5"
    assert asked["dependency"] == "afterok:17:18_3"
    assert asked["kill-on-invalid-dep"] == "yes"


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_every_cluster_writes_valid_bash(cluster: str) -> None:
    script = CLUSTERS[cluster](make_config(), SUBMISSION).script(convert=False)
    assert script.startswith("#!/bin/bash\n")
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_a_site_adds_commands_before_the_training() -> None:
    slurm = example_site(make_config(), SUBMISSION)
    slurm.add_cmd("train")
    lines = slurm.script(convert=False).splitlines()
    assert options("\n".join(lines))["constraint"] == "a100|h100"
    assert lines.index("module load cuda/12.4") < lines.index("train")
    assert 'source "$HOME/miniconda3/etc/profile.d/conda.sh"' in lines


def test_quoting_for_sbatch() -> None:
    assert quoted('a "b" \\ $c') == '"a \\"b\\" \\\\ $c"'
    assert quoted_path(Path("/a b/100%")) == '"/a b/100%%"'
    assert quoted_path(Path("/a\\b%j")) == '"/a\\\\\\\\b%j"'
