/**
 * tally.h: log what a training job counts to a tally server, from C or C++.
 *
 *     struct tally_options options = {0};
 *     struct tally *run;
 *     options.project = "mnist";
 *     tally_open(&options, &run);
 *     ... for every batch: tally_log(run, &record);
 *     tally_close(run, "finished", 10, NULL);
 *
 * One source beside it, tally.c; link with -lcurl -lz -lpthread.  Linux, C11 (the header: also C++11), libcurl 7.68 or newer.
 *
 * 1. Logging never waits for a disk or the network: tally_log() copies the record into a queue.  A thread of the run writes the
 *    queue to a spool file a few times a second, and sends from there.  What the server has confirmed leaves the spool; what
 *    it has not stays, for a next process of the same rank or for `tally-client sync DIR`.
 * 2. Sending again is safe: a batch has the key (run, stage, name, epoch, step, rank) and is counted once.
 * 3. Nothing here ends the program, raises a signal or prints except warnings (see on_warning).  All failures are values.
 * 4. Memory and disk are bounded.  Beyond the bounds neighbouring batches of an epoch are added up, so charts get coarser and
 *    the values of epochs stay exact.
 * 5. After fork() the child keeps the handle, without what the parent had queued; what the child logs is sent by the child.
 * 6. Structs may be set to all zeros; zero always means "not given".  A run that is NULL is allowed everywhere and does nothing,
 *    so a job whose tally_open() failed trains on unlogged.
 *
 * Threads: every function may be called from any thread; tally_close() once, when no other thread uses the run any more.
 * No function may be called from a signal handler.
 * Texts are UTF-8 and end with NUL.  Everything passed in is borrowed: it is copied before the call returns.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TALLY_COUNT_MAX 9007199254740991 /* 2^53 - 1: of every count, epoch and step */
#define TALLY_CLASS_MAX 4096             /* the server's own limit may be lower */
#define TALLY_RANK_MAX 65535
#define TALLY_IGNORE_NONE INT32_MIN /* tally_count_labels(): every target counts */

/* What functions return: 0, or one of these. */
enum tally_error {
    TALLY_OK = 0,
    TALLY_ERR_ARGUMENT = -1, /* a pointer is NULL that must not be, or a value is none of its enum */
    TALLY_ERR_RANGE = -2,    /* a number is negative or too large, or a label is outside its classes */
    TALLY_ERR_NAME =
        -3, /* a stage or series name has letters other than A-Z a-z 0-9 . _ - (series: /), or is too long */
    TALLY_ERR_UTF8 = -4,   /* a text is not valid UTF-8 */
    TALLY_ERR_JSON = -5,   /* a config is not one JSON object */
    TALLY_ERR_URL = -6,    /* a url does not start with http:// or https:// */
    TALLY_ERR_EMPTY = -7,  /* a record holds no measure */
    TALLY_ERR_MEMORY = -8, /* no memory, or the queue is full of what cannot be added up: this record is lost */
    TALLY_ERR_THREAD = -9  /* the system gives no thread */
};

enum tally_task { TALLY_MULTICLASS = 0, TALLY_BINARY = 1, TALLY_MULTILABEL = 2 };

/* Which counts a record holds. */
enum tally_form {
    TALLY_NO_COUNTS = 0, /* means and values only */
    TALLY_TOTALS = 1,    /* correct, total */
    TALLY_PER_CLASS = 2, /* tp, fp, fn (and tn unless multiclass) */
    TALLY_CONFUSION = 3  /* confusion */
};

/* One training job, as this process logs to it. */
struct tally;

/* How to open a run.  All zeros: project "default" on http://127.0.0.1:7070, everything else from the environment. */
struct tally_options {
    const char *project; /* NULL: "default".  What is not of A-Z a-z 0-9 . _ - is replaced by '-' */
    const char *name;    /* what people call the run; NULL: none */
    const char *
        id; /* as project; NULL: TALLY_RUN, else made of project or name and the job's id (TORCHELASTIC_RUN_ID, SLURM_JOB_ID,
                              ...), which all ranks and all restarts share, else new */
    const char *config;    /* a JSON object of what was chosen for this run, merged into the run's; NULL: none */
    const char *url;       /* the server, http://host:port; NULL: TALLY_URL, else http://127.0.0.1:7070 */
    const char *token;     /* NULL: TALLY_TOKEN, else none.  Never written to disk */
    const char *spool_dir; /* where records wait; NULL: TALLY_SPOOL_DIR, else .tally in the working directory */
    int world_size;        /* 0: rank and world_size from RANK, WORLD_SIZE, SLURM_PROCID, OMPI_COMM_WORLD_RANK, ... */
    int rank;              /* 0 .. world_size - 1; read only where world_size is given */
    int resume; /* not 0: training goes on from a checkpoint; what was logged at or after the position below is taken back,
                              once for all ranks (see tally_rewind) */
    int64_t resume_epoch, resume_step; /* the first position that will be logged again */
    size_t spool_bytes;                /* bound of the files of this process; 0: 256 MiB */
    size_t queue_bytes;                /* bound of the queue, and of the spool where the disk refuses; 0: 32 MiB */
    void (*on_warning)(void *context,
                       const char *text); /* NULL: a line on stderr.  Each kind is told once; any thread */
    void *warning_context;
};

/* A weighted mean: the mean of an epoch is the sum of sums over the sum of weights. */
struct tally_mean {
    const char *name; /* its series, as "loss" */
    double sum;    /* a mean loss m over n samples is {m * n, n}.  NaN and infinities are counted apart by the server */
    double weight; /* > 0: samples, or tokens for a mean over tokens */
    int has_range; /* not 0: min and max say the extremes within the batch */
    double min, max;
};

/* A plain scalar, as a learning rate. */
struct tally_value {
    const char *name;
    double value;
};

/* What this rank saw in one step.  Counts are of the batch alone, never divided, each 0 .. TALLY_COUNT_MAX. */
struct tally_record {
    const char *stage;   /* "train", "val", "test" or any name of [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
    int64_t epoch, step; /* 0 .. TALLY_COUNT_MAX */
    const char *name;    /* the series of the counts for models with several heads; NULL: "main" */
    enum tally_task task;
    enum tally_form form;   /* which of the next fields are read */
    int64_t correct, total; /* TALLY_TOTALS: right decisions, decisions */
    size_t n_class;         /* 1 .. TALLY_CLASS_MAX; 1 for TALLY_BINARY with TALLY_PER_CLASS, 2 with TALLY_CONFUSION */
    const int64_t *tp;      /* TALLY_PER_CLASS: int64_t[n_class] each, */
    const int64_t *fp;      /*   of one class against the rest */
    const int64_t *fn;      /* */
    const int64_t *tn;      /*   binary and multilabel only; else NULL */
    const int64_t *
        confusion; /* TALLY_CONFUSION: int64_t[n_class * n_class], row-major: confusion[target * n_class + predicted] */
    int64_t samples; /* what was seen, ignored ones included; 0: what the counts say */
    const struct tally_mean *means;
    size_t n_means; /* 0 .. 1024 */
    const struct tally_value *values;
    size_t n_values; /* 0 .. 1024 */
    int64_t time_ms; /* since 1970; 0: now */
};

/* What counts cannot tell of a stage. */
struct tally_stage {
    const char *stage;
    const char *const *class_names; /* [n_class]; NULL: none */
    size_t n_class;                 /* 0 .. TALLY_CLASS_MAX */
    int64_t dataset_size;           /* samples in one epoch, all ranks together; 0: unknown */
    int has_ignore_index;           /* not 0: targets equal to ignore_index are not counted */
    int64_t ignore_index;
    int top_k; /* the counts are of the best k predictions; 0: not said */
};

/* How far delivery is.  Entries: records, and calls such as a declared stage. */
struct tally_stats {
    int64_t queued;     /* entries in memory, not yet in the spool */
    int64_t spooled;    /* entries in the spool that the server has not confirmed */
    int64_t accepted;   /* records the server took, */
    int64_t duplicates; /* had already, */
    int64_t stale;      /* or knew to be of an attempt that was rewound */
    int64_t rejected;   /* entries it refuses for ever; they are in DIR/<run>/rejected-<rank>.ndjson with the problem */
    int64_t added_up;   /* records that became part of a neighbour because a bound was reached */
    int64_t lost;       /* records that no bound had room for */
    int64_t retries;    /* requests that will be made again */
};

/* ---- life cycle ---- */

/**
 * tally_open(options, out):
 * Open the run that this process logs to.  Every rank calls it alike: the run is created or joined, whoever comes first.
 *
 * options  Borrowed.
 * out      The run, owned by the caller: release with tally_close().  Set to NULL on failure.
 *
 * Returns  OK; ERR_ARGUMENT, ERR_RANGE, ERR_UTF8, ERR_JSON, ERR_URL, ERR_MEMORY, ERR_THREAD.  A server that is away is
 *          no failure: records wait in the spool.
 * Cost     No network, and no disk but to read the spool folder where resume is set.  Starts one thread, which has all signals
 *          blocked.
 */
int tally_open(const struct tally_options *options, struct tally **out);

/**
 * tally_close(run, status, seconds, n_left):
 * Send what is left, say how the run ended, and free the run.
 *
 * status   "finished", "failed" or "killed"; NULL: say nothing, as where the run goes on elsewhere.  Of "finished" only rank 0 tells
 *          the server.
 * seconds  how long to wait for the server, 0 .. 1e6.  A disk that hangs may add 2 seconds; then the thread is left to end by itself.
 * n_left   set to how many entries the server has not confirmed, where it is not NULL.  They are in the spool, and one warning names
 *          the command that sends them.
 *
 * Returns  OK, also where entries are left; ERR_ARGUMENT for another status or seconds: then the run is closed as with NULL, or 0.
 *          The run is gone in any case.  A program that ends without it loses no record that was logged: at exit() the
 *          queue is brought to the spool.
 */
int tally_close(struct tally *run, const char *status, double seconds, int64_t *n_left);

/* ---- logging ---- */

/**
 * tally_log(run, record):
 * Log what this rank saw in one step.
 *
 * record   Borrowed, with all it points to.  Holds a form, a mean or a value at least.
 *
 * Returns  OK: it is queued; ERR_ARGUMENT, ERR_RANGE, ERR_NAME, ERR_EMPTY, ERR_MEMORY: nothing was.  Whether counts agree with each
 *          other is for the server to judge: see tally_stats.rejected.
 * Cost     One allocation and a copy of the record, one short lock; O(n_class^2) for a matrix.  From 12 classes on, a matrix is kept
 *          as its cells that are not 0.  No system call, but for the clock and, with a full queue, waking the thread.
 */
int tally_log(struct tally *run, const struct tally_record *record);

/**
 * tally_count_labels(predictions, targets, n, n_class, ignore_index, confusion):
 * Count labels into a confusion matrix.
 *
 * predictions, targets  int32_t[n] each, 0 .. n_class - 1.
 * n_class               1 .. TALLY_CLASS_MAX.
 * ignore_index          samples with this target are passed over; TALLY_IGNORE_NONE: none.
 * confusion             int64_t[n_class * n_class], row-major, target first.  The counts are added to it: set it to 0 before the
 *                       first call.  Untouched on failure.
 *
 * Returns  how many of the predictions are right, >= 0; ERR_ARGUMENT, ERR_RANGE.
 * Cost     O(n), no allocation.  Any thread; needs no run.
 */
int64_t tally_count_labels(const int32_t *predictions, const int32_t *targets, size_t n, size_t n_class,
                           int32_t ignore_index, int64_t *confusion);

/**
 * tally_declare_stage(run, stage):
 * Declare what counts cannot tell of a stage.  Every rank may call it, any number of times; the last one holds.
 *
 * Returns  OK; ERR_ARGUMENT, ERR_RANGE, ERR_NAME, ERR_UTF8 (a class name), ERR_MEMORY.
 */
int tally_declare_stage(struct tally *run, const struct tally_stage *stage);

/**
 * tally_config(run, config):
 * Add to the run's config.
 *
 * config   a JSON object; nested objects are merged, null deletes a key (RFC 7396).
 *
 * Returns  OK; ERR_ARGUMENT, ERR_UTF8, ERR_JSON, ERR_MEMORY.
 */
int tally_config(struct tally *run, const char *config);

/**
 * tally_rewind(run, epoch, step, stage):
 * Cut the run: what was logged at or after (epoch, step) of "train", and at or after the epoch of other stages, is taken back.
 * Every rank calls it alike; it happens once.  What earlier attempts still have on the way is then stale.
 *
 * stage    not NULL: cut this stage alone, at (epoch, step).
 *
 * Returns  OK; ERR_ARGUMENT, ERR_RANGE, ERR_NAME, ERR_MEMORY.
 */
int tally_rewind(struct tally *run, int64_t epoch, int64_t step, const char *stage);

/* ---- delivery ---- */

/**
 * tally_flush(run, seconds):
 * Wait until the server has everything that was logged before, at most so many seconds (0 .. 1e6).
 *
 * Returns  how many entries it has not confirmed, >= 0; ERR_ARGUMENT for seconds out of range.
 */
int64_t tally_flush(struct tally *run, double seconds);

/* tally_get_stats(run, out): how far delivery is.  All zeros for NULL. */
void tally_get_stats(struct tally *run, struct tally_stats *out);

/* tally_id(run): the run's id.  Valid until tally_close(); "" for NULL. */
const char *tally_id(const struct tally *run);

/* tally_rank(run): this process's rank, as found or given; 0 for NULL. */
int tally_rank(const struct tally *run);

/* tally_strerror(error): a sentence on a value of enum tally_error.  Static. */
const char *tally_strerror(int error);

#ifdef __cplusplus
}
#endif

#endif
