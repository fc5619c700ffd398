"""tally-client: send what training jobs could not deliver."""
from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from typing import Any, Dict, List, Optional

from ._courier import backoff
from ._deliver import Delivery, write_rejected
from ._errors import Refused, TallyError, Unavailable
from ._http import Api
from ._segment import Entry
from ._sessions import sessions
from ._spool import Spool


def main(arguments: Optional[List[str]] = None) -> int:
    parser = argparse.ArgumentParser(prog="tally-client", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    sync = commands.add_parser("sync", help="send the records that wait in a spool folder",
                               description="Send the records that wait in a spool folder, or below it. Sending again what the server has is safe.")
    sync.add_argument("dir", metavar="DIR", help="a spool folder (.tally), a run's folder in it, or a session's")
    sync.add_argument("--url", help="the server; default: where each session was going to (or TALLY_URL)")
    sync.add_argument("--token", help="default TALLY_TOKEN")
    sync.add_argument("--seconds", type=float, default=60, help="how long to try a server that does not answer (60)")
    return sync_folder(parser.parse_args(arguments))


def sync_folder(options: argparse.Namespace) -> int:
    """0: everything is delivered; 1: something remains, is in use or was refused."""
    if not os.path.isdir(options.dir):
        print("tally-client: no folder %s" % options.dir, file=sys.stderr)
        return 1
    found = sessions(options.dir)
    code = 0
    for folder, meta in found:
        spool = Spool.open(folder)
        if spool is None:
            print("%s: in use by a process that still runs" % folder)
            code = 1
            continue
        try:
            if not send(folder, meta, spool, options):
                code = 1
        finally:
            spool.finish()
    if not found:
        print("nothing to send in %s" % options.dir)
    return code


def send(folder: str, meta: Dict[str, Any], spool: Spool, options: argparse.Namespace) -> bool:
    url = options.url or os.environ.get("TALLY_URL") or meta["url"]
    rejected = os.path.join(os.path.dirname(folder), "rejected-%s.ndjson" % meta.get("rank", 0))

    def on_rejected(refused: Refused, entry: Entry) -> None:
        if not write_rejected(rejected, refused, entry):
            print("%s: cannot write %s" % (folder, rejected), file=sys.stderr)

    try:
        api = Api(url, options.token or os.environ.get("TALLY_TOKEN"))
    except TallyError as error:
        print("%s: %s" % (folder, error), file=sys.stderr)
        return False
    delivery = Delivery(api, meta["run"], spool, threading.Lock(), meta.get("project"), on_rejected)
    problem = deliver(delivery, options.seconds)
    api.close()
    print("run %s, rank %s: %d accepted, %d duplicates, %d stale, %d refused%s" % (
        meta["run"], meta.get("rank", 0), delivery.accepted, delivery.duplicates, delivery.stale, delivery.rejected,
        ", %d remain (%s)" % (spool.left, problem) if spool.left else ""))
    if delivery.rejected:
        print("what was refused, and why: %s" % rejected)
    return not spool.left and not delivery.rejected


def deliver(delivery: Delivery, seconds: float) -> Optional[str]:
    """Send all of it; why it stopped before the end."""
    deadline, failures = time.monotonic() + seconds, 0
    while True:
        try:
            if not delivery.step():
                return str(delivery.halted) if delivery.halted is not None else None
            failures, deadline = 0, time.monotonic() + seconds
        except Unavailable as error:
            failures += 1
            wait = backoff(failures, error.after, False)
            if time.monotonic() + wait > deadline:
                return str(error)
            time.sleep(wait)


if __name__ == "__main__":
    sys.exit(main())
