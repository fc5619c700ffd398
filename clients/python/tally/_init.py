"""tally.init(): from the arguments and the environment to a run that can be logged to."""
from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from typing import Any, Dict, Iterable, Mapping, Optional, Tuple

from . import _environment, _exit
from ._errors import TallyError
from ._http import DEFAULT_URL, Api
from ._job import RUN_ID_MAX, Launch, find_rank, find_world_size, slug
from ._record import RUN_ID, document
from ._run import Run
from ._segment import PUT
from ._sender import Sender
from ._sessions import sessions
from ._spool import Spool

LOG = logging.getLogger("tally")
SPOOL_DIR = ".tally"
_ended: Dict[str, int] = {}  # how many runs of an id this process has finished


def init(project: str = "default", name: Optional[str] = None, *, id: Optional[str] = None, config: Optional[Mapping[str, Any]] = None,
         tags: Optional[Iterable[str]] = None, url: Optional[str] = None, rank: Optional[int] = None, world_size: Optional[int] = None,
         spool_dir: Optional[str] = None, on_error: str = "warn", env: bool = True, resume: Optional[Tuple[int, int]] = None,
         token: Optional[str] = None, exit_seconds: float = 10.0, spool_bytes: int = 256 << 20, queue_records: int = 50000) -> Run:
    """The run that this process logs to.  Every rank calls it alike; in one process it returns the run that is already open.

    project, name  where the run belongs, and what people call it.
    id             the run's id.  Default: TALLY_RUN, else made of the job's id (TORCHELASTIC_RUN_ID, SLURM_JOB_ID, ...), which all ranks and
                   all restarts share, else new.
    config, tags   what was chosen for this run; config may be nested.
    url            the server; default TALLY_URL, else http://127.0.0.1:7070.  token: default TALLY_TOKEN.
    rank           0 .. world_size - 1; default from RANK, SLURM_PROCID and so on.
    spool_dir      where records wait for the server; default TALLY_SPOOL_DIR, else .tally in the working directory.
    on_error       "warn": say it once (logging, "tally"); "raise": the next call raises; "ignore": silence.
    env            record command line, host, user, Python, packages and git commit under config["_env"].
    resume         (epoch, step): training goes on from a checkpoint, and this is the first position that will be logged again.  What was
                   logged from there on is taken back, once for all ranks.
    exit_seconds   how long finish() and the end of the program wait for the server.
    spool_bytes    bound of the files, queue_records bound of the queue in memory (records of 10 classes).  Beyond either, neighbouring batches of
                   an epoch are added up; totals stay exact.
    """
    if on_error not in ("warn", "raise", "ignore"):
        raise TallyError('on_error is "warn", "raise" or "ignore"')
    rank = find_rank() if rank is None else int(rank)
    world_size = find_world_size() if world_size is None else int(world_size)
    base = name or project
    launch = Launch(base, id, rank, world_size)
    run_id = launch.run
    if not RUN_ID.match(run_id):
        run_id = slug(run_id, RUN_ID_MAX) or "run"
    if id is None and _ended.get(run_id):
        run_id = slug("%s-%d" % (run_id, _ended[run_id] + 1), RUN_ID_MAX)
    if not resume:
        for run in _exit.open_runs():
            if run.id == run_id or (id is None and run._base == (project, name) and "TALLY_RUN" not in os.environ):
                return run
    launch.run = run_id
    if rank == 0:
        launch.hand_down(base)

    url = (url or os.environ.get("TALLY_URL") or DEFAULT_URL).rstrip("/")
    root = os.path.abspath(spool_dir or os.environ.get("TALLY_SPOOL_DIR") or SPOOL_DIR)
    api = Api(url, token or os.environ.get("TALLY_TOKEN"))
    safe_project = slug(project, 128) or "default"

    def make_spool() -> Spool:
        session = "r%d-%s-%d-%s" % (rank, slug(socket.gethostname(), 40) or "host", os.getpid(), secrets.token_hex(3))
        meta = {"format": 1, "url": url, "run": run_id, "project": safe_project, "rank": rank, "attempt": launch.attempt, "created": time.time_ns() // 1000000}
        return Spool.create(root, meta, session, disk_bytes=spool_bytes)

    sender = Sender(api, run_id, safe_project, make_spool, root, rank, queue_records, raises=on_error == "raise", quiet=on_error == "ignore")
    run = Run(sender, id=run_id, project=safe_project, rank=rank, world_size=world_size, attempt=launch.attempt, on_error=on_error, exit_seconds=exit_seconds)
    run._base = (project, name)
    run._earlier = lambda: earlier_attempts(root, run_id, launch)
    _exit.watch(run)
    if not launch.shared:
        sender.warn("shared", "nothing in the environment tells which run %d ranks share: set TALLY_RUN to the same text for all of them" % world_size)
    declare(run, name, config, tags, env)
    if resume is not None:
        run.resume(resume[0], resume[1])
    sender.courier.heartbeats = True
    return run


def declare(run: Run, name: Optional[str], config: Optional[Mapping[str, Any]], tags: Optional[Iterable[str]], env: bool) -> None:
    body: Dict[str, Any] = {"project": run.project}
    if name is not None:
        body["name"] = str(name)[:200]
    if config:
        body["config"] = document(config if isinstance(config, Mapping) else vars(config))
    if tags:
        body["tags"] = [str(tag) for tag in tags]
    run._sender.put(PUT, body)
    if env and run.rank == 0:
        run._sender.courier.chores.append(lambda: {"config": {"_env": document(_environment.describe())}})


def earlier_attempts(root: str, run_id: str, launch: Launch) -> Iterable[str]:
    """Attempts that the server may not have heard of, since it was away: what their spools still hold must arrive as stale.

    The server takes an attempt for an earlier one only if it has seen it before the cut, so each is named in a cut at the
    end of all positions, which removes nothing.
    """
    found = list(launch.earlier)
    for _, meta in sessions(os.path.join(root, run_id)):
        attempt = meta.get("attempt")
        if isinstance(attempt, str) and attempt != launch.attempt and attempt not in found:
            found.append(attempt)
    return found
