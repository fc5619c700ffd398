-- Tally's database: counts, not averages.
--
-- The chain:  project 1-n run 1-n series 1-n batch, and rollup holds the sum of each epoch of a series.
-- `run` (an integer, never used again) comes first in every key of series, batch and rollup, so that
-- all rows of a run lie together and a database can be split by run.
--
-- Times are milliseconds since 1970.  Names are those of the HTTP API.  States (`state`) are packed by
-- lib/: a format byte, then varints; doubles for sums.  Accuracy by hand (where no sample is ignored):
--     SELECT epoch, sum(correct) * 1.0 / sum(samples) FROM batch WHERE run = 1 AND series = 1 GROUP BY epoch;
--
-- The version of the schema is PRAGMA user_version: the number of the last migration that was run.  It
-- is set by the program, in the transaction of the migration.  A migration is never edited once released.

PRAGMA application_id = 1415670905; -- "Taly": the file is ours

-- A named set of runs.  Made when a run first names it; listed while a run is in it.
CREATE TABLE project (
    project    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

-- One training job: all its ranks and restarts together.
CREATE TABLE run (
    run        INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, so it also tells incarnations of an id apart
    id         TEXT NOT NULL,                     -- chosen by the client; unique among the visible runs
    project    INTEGER NOT NULL REFERENCES project,
    name       TEXT,                              -- for people; NULL: none
    notes      TEXT,                              -- NULL: none
    config     TEXT,                              -- a JSON object; NULL: {}
    stages     TEXT,                              -- a JSON object, stage -> declaration; NULL: {}
    status     INTEGER NOT NULL CHECK (status BETWEEN 0 AND 3), -- 0 running, 1 finished, 2 failed, 3 killed
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,                  -- the last write
    ended_at   INTEGER NOT NULL,                  -- 0: not ended
    seen_at    INTEGER NOT NULL,                  -- the last sign of life: any write or heartbeat
    revision   INTEGER NOT NULL,                  -- rises when stored content changes
    hidden     INTEGER NOT NULL DEFAULT 0 CHECK (hidden IN (0, 1)) -- 1: deleted, its rows are being removed
) STRICT;

CREATE UNIQUE INDEX run_by_id ON run (id) WHERE hidden = 0;
CREATE INDEX run_by_time ON run (created_at) WHERE hidden = 0;
CREATE INDEX run_by_project ON run (project, created_at) WHERE hidden = 0;
CREATE INDEX run_by_hidden ON run (run) WHERE hidden = 1;

-- The tags of a run, one a row, so that runs can be found by tag.
CREATE TABLE run_tag (
    run INTEGER NOT NULL REFERENCES run,
    tag TEXT NOT NULL,
    PRIMARY KEY (run, tag)
) STRICT, WITHOUT ROWID;

-- The batches of one measure of one stage.  What is counted under one name in several ways (counts, score
-- histograms, ...) is a series for each kind; the name of a weighted mean has no other kind beside it, which the
-- writer sees to.  The shape (form, task, num_classes, bins) is fixed by the first record; the sums are kept by
-- the writer.
CREATE TABLE series (
    run         INTEGER NOT NULL REFERENCES run,
    series      INTEGER NOT NULL,                 -- 1, 2, ... within the run
    stage       TEXT NOT NULL,                    -- train, val, test, ...
    name        TEXT NOT NULL,                    -- main, loss, ...
    kind        INTEGER NOT NULL,                 -- 0 counts, 1 scores, 2 calibration, 3 exact match, 4 regression, 5 weighted mean
    form        INTEGER NOT NULL,                 -- kind 0: 0 totals, 1 per class, 2 confusion; else one a kind:
                                                  -- 3 weighted mean, 4 scores, 5 calibration, 6 exact match, 7 regression
    task        INTEGER NOT NULL CHECK (task BETWEEN 0 AND 2), -- 0 multiclass, 1 binary, 2 multilabel
    num_classes INTEGER NOT NULL CHECK (num_classes >= 0),     -- 0 where it means nothing
    bins        INTEGER NOT NULL,                 -- scores: thresholds; calibration: bins of confidence; else 0
    batches     INTEGER NOT NULL,
    samples     INTEGER NOT NULL,                 -- stops at 2^63-1
    epochs      INTEGER NOT NULL,                 -- distinct epochs
    last_epoch  INTEGER NOT NULL,                 -- the greatest (epoch, step); -1 while empty
    last_step   INTEGER NOT NULL,
    PRIMARY KEY (run, series),
    UNIQUE (run, stage, name, kind),
    CHECK (CASE kind WHEN 0 THEN form BETWEEN 0 AND 2 WHEN 1 THEN form = 4 WHEN 2 THEN form = 5 WHEN 3 THEN form = 6
           WHEN 4 THEN form = 7 WHEN 5 THEN form = 3 ELSE 0 END),
    CHECK (CASE kind WHEN 1 THEN bins >= 2 WHEN 2 THEN bins >= 1 ELSE bins = 0 END)
) STRICT, WITHOUT ROWID;

-- What one rank saw in one step.  The key is the identity of a batch: the same key again is a
-- duplicate or a conflict, never a second row.  No foreign key: this is the hot table, and only the
-- writer, which knows its series, inserts here.
CREATE TABLE batch (
    run       INTEGER NOT NULL,
    series    INTEGER NOT NULL,
    epoch     INTEGER NOT NULL,
    step      INTEGER NOT NULL,
    rank      INTEGER NOT NULL,
    samples   INTEGER NOT NULL,                   -- seen, ignored ones included; 0 for weighted means
    correct   INTEGER NOT NULL,                   -- 0 for all kinds but counts
    logged_at INTEGER NOT NULL,                   -- when it happened; not part of the content
    state     BLOB NOT NULL,
    PRIMARY KEY (run, series, epoch, step, rank)
) STRICT, WITHOUT ROWID;

-- A sum of batches over a fixed window: level 0, bucket 0 is the whole epoch; level k > 0 is for
-- buckets of 2^k steps.  The level comes before the epoch in the key, so that a chart reads one level
-- of all epochs in one piece.  Written in the transaction that inserts the batches.
CREATE TABLE rollup (
    run         INTEGER NOT NULL,
    series      INTEGER NOT NULL,
    level       INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    bucket      INTEGER NOT NULL,
    writer      INTEGER NOT NULL DEFAULT 0,       -- the process that owns this partial sum; one process: 0
    batches     INTEGER NOT NULL,
    samples     INTEGER NOT NULL,
    correct     INTEGER NOT NULL,
    steps       INTEGER NOT NULL,                 -- distinct steps
    first_step  INTEGER NOT NULL,
    last_step   INTEGER NOT NULL,
    first_time  INTEGER NOT NULL,                 -- the earliest logged_at
    primary_min REAL,                             -- of the batches' accuracy, mean, ... (state_primary() in lib/state.h); NULL: none is defined
    primary_max REAL,
    revision    INTEGER NOT NULL,                 -- the run's revision when this row last changed
    ranks       BLOB NOT NULL,                    -- distinct ranks, as gaps (server/rank_set.c)
    state       BLOB NOT NULL,
    PRIMARY KEY (run, series, level, epoch, bucket, writer)
) STRICT, WITHOUT ROWID;

-- The restarts of a run, in the order in which they were first heard of (or made their cut).
CREATE TABLE attempt (
    run     INTEGER NOT NULL REFERENCES run,
    number  INTEGER NOT NULL,
    attempt TEXT NOT NULL,                        -- '': a rewind that named none
    rewound INTEGER NOT NULL CHECK (rewound IN (0, 1)), -- 1: it made the cut below
    stage   TEXT NOT NULL,                        -- '': every stage
    epoch   INTEGER NOT NULL,
    step    INTEGER NOT NULL,
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX attempt_by_name ON attempt (run, attempt) WHERE attempt <> '';

-- Who may call the API.  The token itself is not stored, only its hash.
CREATE TABLE token (
    token      INTEGER PRIMARY KEY AUTOINCREMENT, -- its number, to revoke it by
    name       TEXT NOT NULL,                     -- a label
    scope      TEXT NOT NULL CHECK (scope IN ('read', 'write', 'admin')),
    sha256     BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL                   -- 0: never
) STRICT;

-- One row: a number that rises with every transaction that writes any run.  Lists take their ETag from it.
CREATE TABLE generation (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;

INSERT INTO generation VALUES (1, 0);
