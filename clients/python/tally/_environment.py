"""Where a run came from: what `_env` of its config holds."""
from __future__ import annotations

import getpass
import os
import platform
import re
import socket
import subprocess
import sys
from typing import Any, Dict, List, Optional

SECRET = re.compile(r"token|password|passwd|secret|api[-_]?key|credential", re.I)


def describe() -> Dict[str, Any]:
    """{"command", "cwd", "host", "user", "pid", "python", "platform", "packages": {name: version}, "git": {"commit", "dirty"}}.

    Takes up to some seconds (it asks git): for the sender's thread.
    """
    out: Dict[str, Any] = {"command": command(), "cwd": os.getcwd(), "host": socket.gethostname(), "user": user(), "pid": os.getpid(),
                           "python": platform.python_version(), "platform": platform.platform(), "packages": packages()}
    git = git_state()
    if git is not None:
        out["git"] = git
    return out


def command(arguments: Optional[List[str]] = None) -> str:
    """The command line.  The values of options that look like secrets are left out."""
    words, hide = [], False
    for word in list(getattr(sys, "orig_argv", None) or [sys.executable, *sys.argv]) if arguments is None else arguments:
        if hide and not word.startswith("-"):
            word, hide = "***", False
        elif word.startswith("-") and SECRET.search(word.split("=")[0]):
            hide = "=" not in word
            word = word if hide else word.split("=")[0] + "=***"
        else:
            hide = False
        words.append(word)
    return " ".join(words)[:4000]


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else ""


def packages() -> Dict[str, str]:
    from importlib import metadata
    found: Dict[str, str] = {}
    for distribution in metadata.distributions():
        try:
            name = distribution.metadata["Name"]
            if name and len(found) < 1000:
                found[str(name)] = str(distribution.version)
        except Exception:  # a broken installation is no business of ours
            continue
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def git_state() -> Optional[Dict[str, Any]]:
    script = sys.argv[0] if sys.argv and sys.argv[0] else ""
    folder = os.path.dirname(os.path.abspath(script)) if os.path.isfile(script) else os.getcwd()
    commit = git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    changed = git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit.strip(), "dirty": None if changed is None else bool(changed.strip())}


def git(folder: str, *arguments: str) -> Optional[str]:
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                              timeout=5, check=False, env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"})
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
