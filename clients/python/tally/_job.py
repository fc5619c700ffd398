"""Who this process is among the processes of a training job, read from what launchers put into the environment.

All ranks must come to the same run and the same attempt without talking to each other.
"""
from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import sys
import time
from typing import List, Mapping, Optional, Sequence

RANKS = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK")
WORLD_SIZES = ("WORLD_SIZE", "SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
LOCAL_WORLD_SIZES = ("LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS")
RESTARTS = ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")
# a job's id, and the number of the launch within it where the scheduler counts them
JOBS = (("torch", "TORCHELASTIC_RUN_ID", None), ("slurm", "SLURM_JOB_ID", "SLURM_STEP_ID"), ("lsf", "LSB_JOBID", None),
        ("pbs", "PBS_JOBID", None), ("flux", "FLUX_JOB_ID", None), ("mpi", "PMIX_NAMESPACE", None), ("sge", "JOB_ID", None))
HANDED_DOWN = "_TALLY_LAUNCH"  # "pid base id attempt" of the process that made the run, for ranks that it starts itself
RUN_ID_MAX, ATTEMPT_MAX = 128, 128


def first_number(environ: Mapping[str, str], names: Sequence[str]) -> Optional[int]:
    for name in names:
        text = environ.get(name, "")
        if text.isdigit():
            return int(text)
    return None


def find_rank(environ: Mapping[str, str] = os.environ) -> int:
    """0 where nothing says otherwise."""
    rank = first_number(environ, RANKS)
    if rank is None:
        rank = distributed("get_rank")
    if rank is None:
        local, node = first_number(environ, ("LOCAL_RANK",)), first_number(environ, ("NODE_RANK", "GROUP_RANK")) or 0
        rank = (local or 0) + node * (first_number(environ, LOCAL_WORLD_SIZES) or 0)
    return rank


def find_world_size(environ: Mapping[str, str] = os.environ) -> int:
    size = first_number(environ, WORLD_SIZES)
    if size is None:
        size = distributed("get_world_size")
    return max(1, size or 1)


def distributed(question: str) -> Optional[int]:
    """What torch.distributed says, where a program has already set it up."""
    module = sys.modules.get("torch.distributed")
    try:
        if module is not None and module.is_available() and module.is_initialized():
            return int(getattr(module, question)())
    except (AttributeError, RuntimeError, ValueError):
        pass
    return None


def find_job(environ: Mapping[str, str] = os.environ, world_size: int = 1) -> Optional[str]:
    """The same text in all ranks and after a restart: "slurm-812.0".  None: no launcher tells."""
    for kind, name, launch in JOBS:
        job = environ.get(name, "")
        if not job or (kind == "torch" and job == "none"):
            continue
        if kind != "torch" and world_size == 1 and is_at_terminal():
            continue  # one program after the other by hand inside an allocation: each is a run
        return "%s-%s%s" % (kind, job, "." + environ[launch] if launch and environ.get(launch, "").isdigit() else "")
    return None


def is_at_terminal() -> bool:
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:
        return False


def restart_count(environ: Mapping[str, str] = os.environ) -> int:
    return first_number(environ, RESTARTS) or 0


def slug(text: str, limit: int) -> str:
    """The text with what ids do not allow replaced, at most limit characters, told apart by a hash where it was cut."""
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")
    if len(clean) > limit:
        clean = clean[:limit - 9] + "-" + hashlib.sha256(text.encode()).hexdigest()[:8]
    return clean


def started_at(pid: int) -> str:
    """When a process began, in clock ticks of this boot; "" where the system does not tell."""
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as f:
            return f.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def launch_mark(environ: Mapping[str, str], world_size: int) -> str:
    """What tells this launch from the one before under the same job's id and restart count.

    A single process names itself.  Ranks on one host share their parent.  Ranks on several hosts share nothing that
    is new in each launch but what the launcher says, which is already in the job's id: "".
    """
    if world_size == 1:
        pid = os.getpid()
    elif (first_number(environ, LOCAL_WORLD_SIZES) or 0) >= world_size or environ.get("SLURM_NNODES") == "1":
        pid = os.getppid()
    else:
        return ""
    text = "%s %d %s" % (socket.gethostname(), pid, started_at(pid) or (time.time_ns() if world_size == 1 else ""))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


class Launch:
    """The run and the attempt that this process belongs to.

    run      the run's id.
    attempt  names this start of the job; the same in all ranks.
    earlier  attempts that the job had before, by their names, as far as they can be told.
    shared   False where several ranks run and nothing makes them come to the same run.
    """

    def __init__(self, base: str, run: Optional[str], rank: int, world_size: int, environ: Mapping[str, str] = os.environ) -> None:
        job = find_job(environ, world_size)
        mark, restarts = launch_mark(environ, world_size), restart_count(environ)
        handed = environ.get(HANDED_DOWN, "").split(" ")
        is_child = rank > 0 and len(handed) == 4 and handed[0] != str(os.getpid()) and handed[1] == slug(base, 64)
        self.shared = True
        if run is None:
            run = environ.get("TALLY_RUN") or None
        if run is None and job is not None:
            run = "%s-%s" % (slug(base, 60), slug(job, 60))
        if run is None and is_child:
            run = handed[2]
        if run is None and world_size > 1 and mark:
            run = "%s-%s" % (slug(base, 64), mark)
        if run is None:
            self.shared = world_size == 1
            run = "%s-%s-%s" % (slug(base, 64), time.strftime("%Y%m%d-%H%M%S"), secrets.token_hex(3))
        self.run = run
        self.earlier: List[str] = []
        said = environ.get("TALLY_ATTEMPT")
        if said:
            self.attempt = said[:ATTEMPT_MAX]
        elif job is None and is_child and handed[2] == run:
            self.attempt = handed[3]
        else:
            name = slug(job or run, 90)
            self.attempt = "%s.%d%s" % (name, restarts, "-" + mark if mark else "")
            if not mark:
                self.earlier = ["%s.%d" % (name, n) for n in range(max(0, restarts - 20), restarts)]

    def hand_down(self, base: str) -> None:
        """For ranks that this process is going to start (they inherit the environment)."""
        os.environ[HANDED_DOWN] = "%d %s %s %s" % (os.getpid(), slug(base, 64), self.run, self.attempt)
