"""Where sessions lie: DIR/<run>/<session>/, one folder for each process that logged, with meta.json and a lock.

meta.json says where its entries go: {"format": 1, "url", "run", "project", "rank", "attempt", "created"}; never a token.
"""
from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional, Tuple

try:
    import fcntl
except ImportError:  # Windows: a session is then not locked, and syncing a live one sends duplicates, which are harmless
    fcntl = None  # type: ignore[assignment]


def lock(folder: str) -> Optional[int]:
    """The descriptor that holds a session until it is closed.  None: another process holds it."""
    fd = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    if fcntl is not None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except OSError:
            pass  # a file system without locks
    return fd


def write_meta(folder: str, meta: Dict[str, Any]) -> None:
    with open(os.path.join(folder, "meta.json"), "w", encoding="utf-8") as f:
        json.dump(meta, f)


def make_folders(root: str, folder: str) -> None:
    for attempt in range(5):
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            break
        except FileNotFoundError:  # another rank has just removed the run's empty folder
            if attempt == 4:
                raise
    ignore = os.path.join(root, ".gitignore")
    if not os.path.exists(ignore):
        with open(ignore, "w", encoding="ascii") as f:
            f.write("*\n")


def read_meta(folder: str) -> Optional[Dict[str, Any]]:
    try:
        with open(os.path.join(folder, "meta.json"), encoding="utf-8") as f:
            meta = json.load(f)
    except (OSError, ValueError):
        return None
    return meta if isinstance(meta, dict) and all(isinstance(meta.get(k), str) for k in ("url", "run")) else None


def sessions(root: str) -> List[Tuple[str, Dict[str, Any]]]:
    """(folder, meta) of every session under a folder, the oldest first.  The folder may be the spool, a run's or a session."""
    found = []
    for folder, _, files in os.walk(root):
        if "meta.json" in files:
            meta = read_meta(folder)
            if meta is not None:
                found.append((folder, meta))
    return sorted(found, key=lambda item: (item[1].get("created") or 0, item[0]))


def remove_folder(path: str) -> None:
    try:
        os.rmdir(path)
    except OSError:
        pass
