"""Running a command in a cold process and measuring its whole process tree.

Source: Linux `proc(5)`: `/proc/<pid>/stat` for parents and processor time, `smaps_rollup` for memory in which a page
that several processes share counts once.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.1
#: Adding up the pages of a large process takes longer than reading its clock, so it is done less often.
SAMPLES_FOR_EACH_MEMORY = 5


#: What a thread does, by the beginning of its name: Java's own threads, those of Spark's tasks, those of its clients.
KINDS = {
    "Executor task": "tasks of Spark",
    "C1 Compiler": "Java's compilers",
    "C2 Compiler": "Java's compilers",
    "GC Thread": "collecting garbage",
    "G1 ": "collecting garbage",
    "Thread-": "asking and planning",
    "stream executio": "asking and planning",
}
OTHERS = "all others"


class CommandFailed(Exception):
    """The measured command ended with an error; the message holds the end of what it printed."""


@dataclass(frozen=True)
class Figures:
    """What a command took.

    Args:
        wall: Seconds from start to end.
        cpu: Processor seconds of all its processes.
        peak: Most memory at one moment, in MB.
        threads: Processor seconds by what threads do (`KINDS`), as far as their last half seconds were seen.
    """

    wall: float
    cpu: float
    peak: float
    threads: Mapping[str, float] = field(default_factory=dict)


def measured(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    on_sample: Callable[[Figures], None] = lambda _: None,
) -> Figures:
    """Run a command to its end and return what it took.

    Args:
        command: Program and arguments.
        log: File for everything it prints.
        cwd: Folder to run it in.
        environment: Variables besides those of this process.
        on_sample: Called with what it took so far, each time that was looked at.

    Raises:
        CommandFailed: It ended with an error.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    variables = {**os.environ, **(environment or {})}
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, env=variables, stdout=output, stderr=subprocess.STDOUT)
        tree = _Tree(process.pid)
        while _runs(process):
            tree.sample()
            on_sample(Figures(time.perf_counter() - started, sum(tree.seconds.values()), tree.peak, tree.by_kind()))
    wall = time.perf_counter() - started
    if process.returncode:
        raise CommandFailed(f"{' '.join(command)}: exit code {process.returncode}\n{log.read_text()[-3000:]}")
    return Figures(wall, sum(tree.seconds.values()), tree.peak, tree.by_kind())


def _runs(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(SAMPLE_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


class _Tree:
    """A process and all it has started, sampled."""

    def __init__(self, root: int) -> None:
        self._members = {root}
        self._samples = 0
        self._threads: dict[int, tuple[str, float]] = {}
        self.seconds: dict[int, float] = {}
        self.peak = 0.0

    def sample(self) -> None:
        """Look at the tree once; a process counts with the last that was seen of it."""
        living = {}
        for name in os.listdir("/proc"):
            if name.isdigit() and (seen := _parent_and_seconds(int(name))):
                living[int(name)] = seen
        # A parent has a smaller number than its children, except after a wrap, which the next sample mends.
        for pid, (parent, _) in sorted(living.items()):
            if parent in self._members:
                self._members.add(pid)
        present = self._members & living.keys()
        self.seconds.update({pid: living[pid][1] for pid in present})
        if self._samples % SAMPLES_FOR_EACH_MEMORY == 0:
            self.peak = max(self.peak, sum(map(_proportional_megabytes, present)))
            for pid in present:
                self._threads.update(_threads(pid))
        self._samples += 1

    def by_kind(self) -> dict[str, float]:
        """Return processor seconds by what threads do."""
        found: dict[str, float] = {}
        for name, seconds in self._threads.values():
            kind = next((kind for begin, kind in KINDS.items() if name.startswith(begin)), OTHERS)
            found[kind] = found.get(kind, 0.0) + seconds
        return found


def _parent_and_seconds(pid: int) -> tuple[int, float] | None:
    found = _stat(Path(f"/proc/{pid}/stat"))
    return None if found is None else found[1:]


def _threads(pid: int) -> dict[int, tuple[str, float]]:
    """Return name and processor seconds of each thread by its number, which no other process's has."""
    found = {}
    for place in Path(f"/proc/{pid}/task").glob("*/stat"):
        seen = _stat(place)
        if seen is not None:
            found[int(place.parent.name)] = (seen[0], seen[2])
    return found


def _stat(place: Path) -> tuple[str, int, float] | None:
    """Return name, parent and processor seconds of a process or thread; None where it has ended."""
    try:
        before, _, after = place.read_text().rpartition(")")
    except OSError:
        return None
    fields = after.split()
    return before.partition("(")[2], int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS


def _proportional_megabytes(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
