-- Sums of 2^level steps stand beside the sums of epochs, and an epoch's row says how far they reach.
--
-- The table is made anew rather than altered, so that the new columns stand before the blobs: reading
-- them must not walk through a large state.  Until now it held a row an epoch, so this is quick.

CREATE TABLE rollup_new (
    run          INTEGER NOT NULL,
    series       INTEGER NOT NULL,
    level        INTEGER NOT NULL,                -- 0: the whole epoch; k: buckets of 2^k steps, anchored at step 0 of the epoch
    epoch        INTEGER NOT NULL,
    bucket       INTEGER NOT NULL,                -- step >> level; 0 for the epoch
    writer       INTEGER NOT NULL DEFAULT 0,      -- the process that owns this partial sum; one process: 0
    batches      INTEGER NOT NULL,
    samples      INTEGER NOT NULL,
    correct      INTEGER NOT NULL,
    steps        INTEGER NOT NULL,                -- distinct steps
    first_step   INTEGER NOT NULL,
    last_step    INTEGER NOT NULL,
    first_time   INTEGER NOT NULL,                -- the earliest logged_at
    primary_min  REAL,                            -- of the batches' accuracy, mean, ... (state_primary() in lib/state.h); NULL: none is defined
    primary_max  REAL,
    revision     INTEGER NOT NULL,                -- the run's revision when this row last changed
    closed       INTEGER NOT NULL DEFAULT 0,      -- of an epoch: each bucket that ends at or before this step and holds a batch has its row
    steady_since INTEGER NOT NULL DEFAULT 0,      -- of an epoch: after this revision it changed at its end only
    ranks        BLOB NOT NULL,                   -- of an epoch: the distinct ranks, as gaps (server/rank_set.c)
    state        BLOB NOT NULL,
    PRIMARY KEY (run, series, level, epoch, bucket, writer)
) STRICT, WITHOUT ROWID;

INSERT INTO rollup_new (run, series, level, epoch, bucket, writer, batches, samples, correct, steps, first_step, last_step,
                        first_time, primary_min, primary_max, revision, ranks, state)
SELECT run, series, level, epoch, bucket, writer, batches, samples, correct, steps, first_step, last_step,
       first_time, primary_min, primary_max, revision, ranks, state
FROM rollup WHERE level = 0;

DROP TABLE rollup;
ALTER TABLE rollup_new RENAME TO rollup;
