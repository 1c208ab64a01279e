"""A SLURM cluster of one node on loopback, for the tests and to try things out by hand.

python tests/integration/slurm/cluster.py COMMAND [ARGUMENT ...]

starts one in a temporary directory, runs the command with `SLURM_CONF` set, and stops it. It needs
Debian's packages slurm-wlm and munge, and neither systemd nor cgroups nor root.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
START_SECONDS = 60.0

# Requeued jobs wait for cred_expire: two minutes by default, five seconds at least.
CONFIGURATION = """\
ClusterName=survkit
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SwitchType=switch/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=1000,bf_interval=1
MaxArraySize=6
MinJobAge=300
KillWait=10
ReturnToService=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 Gres=gpu:1 CPUs={cores} RealMemory={memory_mb} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing_programs() -> list[str]:
    """Return the programs of SLURM and munge that are not on the path."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [program for program in PROGRAMS if shutil.which(program, path=path) is None]


@contextmanager
def running_cluster() -> Iterator[dict[str, str]]:
    """Start a cluster, yield the environment variables that lead to it, and stop it."""
    with ExitStack() as stack:
        # munged wants a path that no one else may write to.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="survkit-slurm-")))
        environment = {
            **os.environ,
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "SLURM_CONF": str(folder / "slurm.conf"),
        }
        _configure(folder)

        def start(*command: str) -> None:
            stack.enter_context(_daemon(command, folder / f"{command[0]}.log", environment))

        start(
            "munged",
            "--foreground",
            "--force",
            f"--socket={folder}/munge.socket",
            f"--key-file={folder}/munge.key",
            f"--pid-file={folder}/munged.pid",
            f"--log-file={folder}/munge.log",
            f"--seed-file={folder}/munge.seed",
        )
        _wait_for((folder / "munge.socket").exists, folder)
        start("slurmctld", "-D")
        start("slurmd", "-D")
        _wait_for(lambda: "idle" in _output(["sinfo", "--noheader"], environment), folder)
        stack.callback(cancel_everything, environment)
        yield {name: environment[name] for name in ("PATH", "SLURM_CONF")}


def _configure(folder: Path) -> None:
    for name in ("state", "spool"):
        (folder / name).mkdir()
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    controller_port, node_port = _free_ports(2)
    content = CONFIGURATION.format(
        host=socket.gethostname().split(".")[0],
        controller_port=controller_port,
        node_port=node_port,
        user=getpass.getuser(),
        folder=folder,
        cores=os.cpu_count(),
        memory_mb=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 9 // 10 // 2**20,
    )
    (folder / "slurm.conf").write_text(content)
    (folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")


def _free_ports(n: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _daemon(command: tuple[str, ...], log: Path, environment: dict[str, str]) -> Iterator[None]:
    # It ends with this process even where that is killed.
    command = ("setpriv", "--pdeathsig", "TERM", *command)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(ready: Callable[[], bool], folder: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not ready():
        if time.monotonic() > end:
            logs = "\n".join(f"{p.name}:\n{p.read_text()}" for p in folder.glob("*.log"))
            raise RuntimeError(f"no SLURM cluster after {START_SECONDS:.0f} s\n{logs}")
        time.sleep(0.1)


def _output(command: list[str], environment: dict[str, str]) -> str:
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False
    ).stdout


def cancel_everything(environment: dict[str, str]) -> None:
    _output(["scancel", "--user", getpass.getuser()], environment)
    end = time.monotonic() + 20
    while _output(["squeue", "--noheader"], environment) and time.monotonic() < end:
        time.sleep(0.2)


if __name__ == "__main__":
    if absent := missing_programs():
        sys.exit(f"not on the path: {', '.join(absent)}; install slurm-wlm and munge")
    with running_cluster() as variables:
        sys.exit(subprocess.run(sys.argv[1:], env=os.environ | variables, check=False).returncode)
