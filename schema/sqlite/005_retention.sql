-- Old epochs can give up their batches and keep their sums.
--
-- An epoch of a series is sealed when its batches begin to go: from then on it is its rollup rows, which no batch may
-- be added to and no rewind may cut, since a late duplicate could not be told any more.  What could only be computed
-- from the batches and is worth keeping is written down first, in the same transaction.

-- The new columns stand behind the blobs, which is where ALTER TABLE puts them: only epochs have them, and those are read whole.
ALTER TABLE rollup ADD COLUMN written_at INTEGER NOT NULL DEFAULT 0; -- of an epoch: when its last batch came, by the server's clock; 0: before this column was there
ALTER TABLE rollup ADD COLUMN sealed_at INTEGER NOT NULL DEFAULT 0;  -- of an epoch: when it was sealed; 0: it is not

-- One row for each sealed epoch of a series, and none else.
CREATE TABLE seal (
    run          INTEGER NOT NULL,
    series       INTEGER NOT NULL,
    epoch        INTEGER NOT NULL,
    thinned      INTEGER NOT NULL CHECK (thinned IN (0, 1)), -- 1: no batch is left; 0: they are being removed
    ignore_index INTEGER NOT NULL,                           -- what the means were computed with: -1: none
    top_k        INTEGER NOT NULL,
    means        BLOB NOT NULL,                              -- means of the steps by metric (server/seal_means.c)
    PRIMARY KEY (run, series, epoch)
) STRICT, WITHOUT ROWID;

CREATE INDEX seal_by_unthinned ON seal (run, series, epoch) WHERE thinned = 0;
