"""Runs the chains of a sampler, several at a time in processes of their own, under one bar."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survkit.bart.chain_process import (
    BAD_INPUT,
    ITERATION,
    NO_MEMORY,
    TREES,
    pack_task,
    unpack,
    with_size,
)
from survkit.bart.chains import Backend, ChainProblem, SamplerSettings, sample_chain
from survkit.bart.forests import Forests
from survkit.system import available_cores, python_environment
from survkit.types import InputError

Chain = dict[str, NDArray[Any]]

THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
    "NUMBA_NUM_THREADS",
)

_LESS = "fewer chains at a time (cores), fewer rows or a larger time scale need less"


def run_chains(problem: ChainProblem, settings: SamplerSettings, *, jobs: int) -> Forests:
    """Sample all chains, `jobs` at a time; an InputError where one dies or memory runs out."""
    # 31 bits: stochtree takes no more.
    seeds = np.random.SeedSequence(settings.seed).generate_state(settings.chains) >> 1
    with _progress(settings) as advance:
        if jobs > 1:
            chains = _Processes(problem, settings, jobs, advance).sample(seeds.tolist())
        else:
            try:
                chains = [sample_chain(problem, settings, int(s), advance) for s in seeds]
            except MemoryError:
                raise _out_of_memory(settings.backend) from None
    return Forests.join(
        chains, rules=problem.rules, num_trees=settings.trees, offset=problem.offset
    )


class _Processes:
    """Samples chains of one problem, each in a process that a thread of this one follows."""

    def __init__(
        self,
        problem: ChainProblem,
        settings: SamplerSettings,
        jobs: int,
        advance: Callable[[], None],
    ) -> None:
        self._task = pack_task(problem, settings)
        self._backend = settings.backend
        self._jobs = jobs
        self._advance = advance
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def sample(self, seeds: Sequence[int]) -> list[Chain]:
        """Return the chains; the first one that fails ends all others."""
        with ThreadPoolExecutor(self._jobs) as threads:
            try:
                futures = [threads.submit(self._chain, seed) for seed in seeds]
                wait(futures, return_when=FIRST_EXCEPTION)
                failed = [f for f in futures if f.done() and f.exception()]
                return [future.result() for future in failed or futures]
            finally:
                self._stop()

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.kill()

    def _chain(self, seed: int) -> Chain:
        process = self._start(seed)
        assert process.stdin is not None
        assert process.stdout is not None
        answer = content = b""
        try:
            with suppress(BrokenPipeError):  # the exit status says what happened
                process.stdin.writelines(with_size(self._task))
                process.stdin.flush()
            while (answer := process.stdout.read(1)) == ITERATION:
                self._advance()
            content = process.stdout.read()
            status = process.wait()  # before its input is closed, which ends it
        finally:
            process.kill()
            process.wait()
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()
            with self._lock:
                self._running.discard(process)
        if answer == BAD_INPUT:
            raise InputError(content.decode())
        if answer == NO_MEMORY:
            raise _out_of_memory(self._backend)
        if answer != TREES or status:
            raise _died(self._backend, status)
        return unpack(content)

    def _start(self, seed: int) -> subprocess.Popen[bytes]:
        threads = str(max(1, available_cores() // self._jobs))
        with self._lock:
            if self._stopped:
                raise _died(self._backend, -signal.SIGKILL)
            process = subprocess.Popen(
                [sys.executable, "-m", "survkit.bart.chain_process", str(seed)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**dict.fromkeys(THREAD_VARIABLES, threads), **python_environment()},
                process_group=0,  # Ctrl-C is for the process that fits the model
            )
            self._running.add(process)
        return process


def _out_of_memory(backend: Backend) -> InputError:
    return InputError(f"a {backend} chain ran out of memory: {_LESS}")


def _died(backend: Backend, status: int) -> InputError:
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return InputError(
        f"the process of a {backend} chain died ({how}); it may have run out of memory: {_LESS}"
    )


@contextmanager
def _progress(settings: SamplerSettings) -> Iterator[Callable[[], None]]:
    """Show a bar of all chains' iterations on a terminal; yield what moves it, in any thread."""
    from tqdm import tqdm

    total = settings.chains * (settings.tune + settings.draws)
    lock = threading.Lock()
    with tqdm(total=total, desc="sampling", unit="iteration", disable=None, leave=False) as bar:

        def advance() -> None:
            with lock:
                bar.update()

        yield advance
