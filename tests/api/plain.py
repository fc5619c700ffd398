"""A database as it was before pages had sums: the way to write into one by hand, since the next opening gives it sums again."""
import contextlib
import os
import sqlite3


def make_plain(source, target):
    """A copy of a database that no server has open; returns a connection to the copy."""
    old = sqlite3.connect("file:%s?mode=ro" % source, uri=True)
    db = sqlite3.connect(target)
    os.chmod(target, 0o600)
    for name in ("application_id", "user_version"):
        db.execute("PRAGMA %s = %d" % (name, old.execute("PRAGMA " + name).fetchone()[0]))
    tables = old.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name = 'sqlite_sequence'").fetchall()
    with db:
        for name, sql in tables:
            if name != "sqlite_sequence":  # SQLite's own: there with the first table that needs it
                db.execute(sql)
        for name, _ in tables:
            rows = old.execute('SELECT * FROM "%s"' % name).fetchall()
            if rows:
                db.executemany('INSERT INTO "%s" VALUES (%s)' % (name, ", ".join("?" * len(rows[0]))), rows)
        for (sql,) in old.execute("SELECT sql FROM sqlite_schema WHERE type <> 'table' AND sql IS NOT NULL"):
            db.execute(sql)
    old.close()
    return db


@contextlib.contextmanager
def edited(path):
    """A connection to write by hand with into a database that no server has open."""
    plain = path + ".plain"
    db = make_plain(path, plain)
    with db:
        yield db
    db.close()
    os.replace(plain, path)
    for log in (path + "-wal", path + "-shm"):  # of a killed server: what was in it was copied
        if os.path.exists(log):
            os.unlink(log)
