"""Databases of earlier schemas, from tests/data/schema: made again as files, and compared."""
import glob
import json
import os
import sqlite3
import sys

from tally_server import ROOT

FIXTURES = os.path.join(ROOT, "tests", "data", "schema")
sys.path.insert(0, FIXTURES)
from make import ask, dump  # noqa: E402,F401


def schema_files():
    """Those of the program, by number."""
    return {int(os.path.basename(p)[:3]): p for p in sorted(glob.glob(os.path.join(ROOT, "schema", "sqlite", "*.sql")))}


def versions():
    """The schemas that there is a fixture of."""
    return sorted(int(os.path.basename(p)[:3]) for p in glob.glob(os.path.join(FIXTURES, "*.sql")))


def text_of(version):
    with open(os.path.join(FIXTURES, "%03d.sql" % version), encoding="utf-8") as f:
        return f.read()


def restore(version, path):
    """The database that the program of that version left."""
    db = sqlite3.connect(path)
    db.executescript(text_of(version))
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    os.chmod(path, 0o600)


def answers_of(version):
    with open(os.path.join(FIXTURES, "%03d.json" % version), encoding="utf-8") as f:
        return json.load(f)


def version_of(path):
    db = sqlite3.connect(path)
    try:
        return db.execute("PRAGMA user_version").fetchone()[0]
    finally:
        db.close()


def lacks(want, got, where=""):
    """What an answer of then says and one of today does not, or says otherwise; None: nothing.  Today's may say more."""
    if isinstance(want, dict) and isinstance(got, dict):
        for key in want:
            if key not in got:
                return "%s.%s is gone" % (where, key)
        parts = [lacks(want[k], got[k], "%s.%s" % (where, k)) for k in want]
    elif isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        parts = [lacks(w, g, "%s[%d]" % (where, i)) for i, (w, g) in enumerate(zip(want, got))]
    else:
        parts = [None if want == got else "%s: %r instead of %r" % (where, got, want)]
    return next((p for p in parts if p), None)
