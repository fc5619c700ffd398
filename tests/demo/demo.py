#!/usr/bin/env python3
"""make demo: a server on a temporary database, a real training job that logs to it, and the page to watch it live.

    demo.py TALLY      TALLY is the program.  DEMO_EXIT=1 trains at full speed and ends by itself (for tests).
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TRAIN = os.path.join(ROOT, "clients", "python", "examples", "train_digits.py")


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def start(program, folder):
    """The server's process and address."""
    port = 7070 if is_free(7070) else 0
    process = subprocess.Popen([program, "serve", "--db", os.path.join(folder, "demo.db"), "--listen", "127.0.0.1:%d" % port],
                               stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        found = re.match(r"listening on (http://\S+?)/?\s*$", line)
        if found:
            return process, found.group(1)
    raise SystemExit("the server did not start")


def main():
    quick = os.environ.get("DEMO_EXIT") == "1"
    folder = tempfile.mkdtemp(prefix="tally-demo-")
    process = None
    try:
        process, url = start(os.path.abspath(sys.argv[1]), folder)
        print("Watch it live: %s/?run=digits\nThe effect:    %s/?run=digits&stage=test&metric=accuracy.macro\n" % (url, url), flush=True)
        done = subprocess.run([sys.executable, TRAIN, "--url", url, "--seconds", "0" if quick else "25"] + (["--epochs", "6"] if quick else []), check=False)
        if done.returncode or quick:
            return done.returncode
        print("\nThe page stays at %s/ until you press Ctrl-C." % url, flush=True)
        process.wait()
    except KeyboardInterrupt:
        print()
    finally:
        if process:
            process.terminate()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
