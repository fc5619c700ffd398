/*
 * A training job that does what it is told: the tests of the C client write one command a line to its standard input and read one
 * answer a line.  Commands and their arguments are in the table at the end.
 */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tally.h"

enum { NUMBERS_MAX = 1 << 21, TEXTS_MAX = 64, LINE_MAX_BYTES = 1 << 22 };

static struct tally *run;
static struct tally_options options;
static char *kept[TEXTS_MAX]; /* texts that options point to */
static int n_kept;
static atomic_int n_warnings; /* any thread warns */

static void on_warning(void *context, const char *text)
{
    (void)context;
    n_warnings++;
    fprintf(stderr, "warning: %s\n", text);
}

static void answer(const char *what, int64_t number)
{
    printf("%s %" PRId64 "\n", what, number);
    fflush(stdout);
}

/* "1,2,3" into numbers; how many. */
static size_t numbers(const char *text, int64_t *out)
{
    size_t n = 0;
    for (char *end = (char *)(uintptr_t)text; *end != '\0' && n < NUMBERS_MAX; end += *end == ',')
        out[n++] = strtoll(end, &end, 10);
    return n;
}

/* option NAME VALUE */
static void do_option(char *line)
{
    char *value = strchr(line, ' ');
    *value++ = '\0';
    char *text = strdup(value);
    if (n_kept == TEXTS_MAX || text == NULL)
        exit(9);
    kept[n_kept++] = text;
    if (strcmp(line, "project") == 0)
        options.project = text;
    else if (strcmp(line, "name") == 0)
        options.name = text;
    else if (strcmp(line, "id") == 0)
        options.id = text;
    else if (strcmp(line, "config") == 0)
        options.config = text;
    else if (strcmp(line, "url") == 0)
        options.url = text;
    else if (strcmp(line, "token") == 0)
        options.token = text;
    else if (strcmp(line, "spool_dir") == 0)
        options.spool_dir = text;
    else if (strcmp(line, "rank") == 0)
        options.rank = atoi(text);
    else if (strcmp(line, "world_size") == 0)
        options.world_size = atoi(text);
    else if (strcmp(line, "spool_bytes") == 0)
        options.spool_bytes = (size_t)atoll(text);
    else if (strcmp(line, "queue_bytes") == 0)
        options.queue_bytes = (size_t)atoll(text);
    else if (strcmp(line, "resume") == 0)
        options.resume = sscanf(text, "%" SCNd64 " %" SCNd64, &options.resume_epoch, &options.resume_step) == 2;
    answer("option", 0);
}

static void do_open(char *line)
{
    (void)line;
    options.on_warning = on_warning;
    int error = tally_open(&options, &run);
    printf("open %d %s\n", error, tally_id(run));
    fflush(stdout);
}

static double number(const char *text)
{
    return strcmp(text, "nan") == 0 ? NAN : strcmp(text, "inf") == 0 ? INFINITY : strtod(text, NULL);
}

/* NAME:SUM:WEIGHT[:MIN:MAX] */
static struct tally_mean mean_of(char *text)
{
    struct tally_mean m = {0};
    m.name = strtok(text, ":");
    m.sum = number(strtok(NULL, ":"));
    m.weight = number(strtok(NULL, ":"));
    char *min = strtok(NULL, ":");
    m.has_range = min != NULL;
    if (min != NULL) {
        m.min = number(min);
        m.max = number(strtok(NULL, ":"));
    }
    return m;
}

/* record stage=S epoch=E step=S ... steps=N: N records, the step rising */
static void do_record(char *line)
{
    static int64_t lists[5][NUMBERS_MAX];
    static const char *const names[] = {"tp", "fp", "fn", "tn", "confusion"};
    struct tally_mean means[16];
    struct tally_value values[16];
    struct tally_record r = {0};
    const int64_t **places[] = {&r.tp, &r.fp, &r.fn, &r.tn, &r.confusion};
    char *fields[TEXTS_MAX];
    size_t n_fields = 0;
    int64_t steps = 1;
    int error = 0;
    for (char *f = strtok(line, " "); f != NULL && n_fields < TEXTS_MAX; f = strtok(NULL, " "))
        fields[n_fields++] = f;
    r.means = means;
    r.values = values;
    for (size_t i = 0; i < n_fields; i++) {
        char *field = fields[i], *value = strchr(field, '=');
        *value++ = '\0';
        for (size_t k = 0; k < 5; k++) {
            if (strcmp(field, names[k]) == 0) {
                size_t n = numbers(value, lists[k]);
                *places[k] = lists[k];
                r.form = k < 4 ? TALLY_PER_CLASS : TALLY_CONFUSION;
                r.n_class = k < 4 ? n : (size_t)lround(sqrt((double)n));
            }
        }
        if (strcmp(field, "stage") == 0)
            r.stage = value;
        else if (strcmp(field, "epoch") == 0)
            r.epoch = atoll(value);
        else if (strcmp(field, "step") == 0)
            r.step = atoll(value);
        else if (strcmp(field, "steps") == 0)
            steps = atoll(value);
        else if (strcmp(field, "name") == 0)
            r.name = value;
        else if (strcmp(field, "n_class") == 0)
            r.n_class = (size_t)atoll(value);
        else if (strcmp(field, "form") == 0)
            r.form = (enum tally_form)atoi(value);
        else if (strcmp(field, "task") == 0)
            r.task = strcmp(value, "binary") == 0 ? TALLY_BINARY : TALLY_MULTILABEL;
        else if (strcmp(field, "samples") == 0)
            r.samples = atoll(value);
        else if (strcmp(field, "totals") == 0)
            r.form = sscanf(value, "%" SCNd64 ",%" SCNd64, &r.correct, &r.total) == 2 ? TALLY_TOTALS : TALLY_NO_COUNTS;
        else if (strcmp(field, "mean") == 0)
            means[r.n_means++] = mean_of(value);
        else if (strcmp(field, "value") == 0) {
            values[r.n_values].name = strtok(value, ":");
            values[r.n_values++].value = number(strtok(NULL, ":"));
        }
    }
    for (; steps > 0 && error == 0; steps--, r.step++)
        error = tally_log(run, &r);
    answer("record", error);
}

static int64_t nanoseconds(struct timespec from, struct timespec to)
{
    return (int64_t)(to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
}

/* cost N C: nanoseconds of a call that logs a C x C matrix and a loss, on the clock and of the thread's own */
static void do_cost(char *line)
{
    int64_t n = 0, confusion[100 * 100] = {0};
    size_t n_class = 10;
    if (sscanf(line, "%" SCNd64 " %zu", &n, &n_class) < 1)
        exit(9);
    struct tally_mean loss = {"loss", 12.5, 64, 0, 0, 0};
    struct tally_record r = {0};
    struct timespec a, b, c, d;
    for (int i = 0; i < 64; i++)
        confusion[(size_t)(i * 7) % (n_class * n_class)]++;
    r.stage = "train";
    r.form = TALLY_CONFUSION;
    r.n_class = n_class;
    r.confusion = confusion;
    r.means = &loss;
    r.n_means = 1;
    clock_gettime(CLOCK_MONOTONIC, &a);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &c);
    for (r.step = 0; r.step < n; r.step++)
        tally_log(run, &r);
    clock_gettime(CLOCK_MONOTONIC, &b);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &d);
    printf("cost %" PRId64 " %" PRId64 "\n", nanoseconds(a, b) / n, nanoseconds(c, d) / n);
    fflush(stdout);
}

/* threads N: four threads log N records each, steps apart */
static void *log_some(void *argument)
{
    int64_t first = *(int64_t *)argument, n = first % 1000000;
    struct tally_record r = {0};
    r.stage = "train";
    r.form = TALLY_TOTALS;
    r.correct = 1;
    r.total = 2;
    for (r.step = first - n; r.step < first; r.step++)
        tally_log(run, &r);
    return NULL;
}

static void do_threads(char *line)
{
    pthread_t threads[4];
    int64_t ends[4];
    for (int i = 0; i < 4; i++) {
        ends[i] = i * 1000000 + atoll(line);
        if (pthread_create(&threads[i], NULL, log_some, &ends[i]) != 0)
            exit(9);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    answer("threads", 0);
}

/* labels C IGNORE P,P,.. T,T,.. */
static void do_labels(char *line)
{
    static int64_t lists[2][NUMBERS_MAX];
    static int32_t labels[2][NUMBERS_MAX];
    static int64_t confusion[100];
    memset(confusion, 0, sizeof confusion);
    size_t n_class = (size_t)atoi(strtok(line, " "));
    const char *ignore = strtok(NULL, " ");
    size_t n = 0;
    for (int k = 0; k < 2; k++) {
        n = numbers(strtok(NULL, " "), lists[k]);
        for (size_t i = 0; i < n; i++)
            labels[k][i] = (int32_t)lists[k][i];
    }
    int64_t right = tally_count_labels(labels[0], labels[1], n, n_class,
                                       strcmp(ignore, "-") == 0 ? TALLY_IGNORE_NONE : atoi(ignore), confusion);
    printf("labels %" PRId64, right);
    for (size_t i = 0; i < n_class * n_class; i++)
        printf(" %" PRId64, confusion[i]);
    printf("\n");
    fflush(stdout);
}

/* stage NAME DATASET_SIZE IGNORE TOP_K [CLASS NAMES, by |] */
static void do_stage(char *line)
{
    struct tally_stage s = {0};
    const char *names[TEXTS_MAX];
    s.stage = strtok(line, " ");
    s.dataset_size = atoll(strtok(NULL, " "));
    s.ignore_index = atoll(strtok(NULL, " "));
    s.has_ignore_index = s.ignore_index != 0;
    s.top_k = atoi(strtok(NULL, " "));
    for (char *name = strtok(NULL, "|"); name != NULL && s.n_class < TEXTS_MAX; name = strtok(NULL, "|"))
        names[s.n_class++] = name;
    s.class_names = s.n_class > 0 ? names : NULL;
    answer("stage", tally_declare_stage(run, &s));
}

static void do_config(char *line)
{
    answer("config", tally_config(run, line));
}

/* rewind EPOCH STEP [STAGE] */
static void do_rewind(char *line)
{
    int64_t epoch = atoll(strtok(line, " ")), step = atoll(strtok(NULL, " "));
    answer("rewind", tally_rewind(run, epoch, step, strtok(NULL, " ")));
}

static void do_flush(char *line)
{
    answer("flush", tally_flush(run, number(line)));
}

static void do_close(char *line)
{
    int64_t left;
    char *status = strtok(line, " "), *seconds = strtok(NULL, " ");
    int error = tally_close(run, strcmp(status, "-") == 0 ? NULL : status, number(seconds), &left);
    run = NULL;
    printf("close %d %" PRId64 "\n", error, left);
    fflush(stdout);
}

static void do_stats(char *line)
{
    struct tally_stats s;
    (void)line;
    tally_get_stats(run, &s);
    printf("stats {\"queued\":%" PRId64 ",\"spooled\":%" PRId64 ",\"accepted\":%" PRId64 ",\"duplicates\":%" PRId64
           ",\"stale\":%" PRId64 ",\"rejected\":%" PRId64 ",\"added_up\":%" PRId64 ",\"lost\":%" PRId64
           ",\"retries\":%" PRId64 ",\"warnings\":%d}\n",
           s.queued, s.spooled, s.accepted, s.duplicates, s.stale, s.rejected, s.added_up, s.lost, s.retries,
           n_warnings);
    fflush(stdout);
}

/* fork FIELDS: a child that logs such a record, and ends as a program does */
static void do_fork(char *line)
{
    fflush(NULL);
    pid_t child = fork();
    int status = -1;
    if (child == 0) {
        int null = dup2(STDERR_FILENO, STDOUT_FILENO);
        do_record(line);
        int64_t left = tally_flush(run, 10);
        tally_close(run, "finished", 5, NULL);
        run = NULL;
        fflush(NULL);
        _exit(null < 0 || left != 0); /* what the parent's thread had on its stack would count as leaked */
    }
    waitpid(child, &status, 0);
    answer("fork", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void do_sleep(char *line)
{
    double seconds = number(line);
    struct timespec t = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};
    nanosleep(&t, NULL);
    answer("sleep", 0);
}

static void do_kill(char *line)
{
    (void)line;
    raise(SIGKILL);
}

static void do_exit(char *line)
{
    exit(atoi(line));
}

static void do_bad(char *line)
{
    struct tally_options o = {0};
    struct tally *none = NULL;
    struct tally_record r = {0};
    (void)line;
    o.url = "ftp://x";
    printf("bad %d", tally_open(&o, &none));
    o.url = "http://127.0.0.1:9";
    o.name = "\xc3\x28";
    printf(" %d", tally_open(&o, &none));
    o.name = NULL;
    o.config = "[1]";
    printf(" %d", tally_open(&o, &none));
    o.config = "{\"a\":1} x";
    printf(" %d", tally_open(&o, &none));
    o.config = "{\"a\":\"\xed\xa0\x80\"}";
    printf(" %d", tally_open(&o, &none));
    o.config = NULL;
    o.world_size = 2;
    o.rank = 2;
    printf(" %d", tally_open(&o, &none));
    printf(" %d %d %d", tally_open(NULL, &none), tally_log(none, &r), tally_close(none, "x", -1, NULL));
    printf(" %s\n", tally_strerror(TALLY_ERR_URL));
    fflush(stdout);
}

static const struct command {
    const char *name;
    void (*act)(char *line);
} commands[] = {
    {"option", do_option}, {"open", do_open},   {"record", do_record}, {"cost", do_cost},     {"threads", do_threads},
    {"labels", do_labels}, {"stage", do_stage}, {"config", do_config}, {"rewind", do_rewind}, {"flush", do_flush},
    {"close", do_close},   {"stats", do_stats}, {"fork", do_fork},     {"sleep", do_sleep},   {"kill", do_kill},
    {"exit", do_exit},     {"bad", do_bad},
};

int main(void)
{
    char *line = malloc(LINE_MAX_BYTES);
    while (line != NULL && fgets(line, LINE_MAX_BYTES, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        size_t n = strcspn(line, " "), i = 0;
        while (i < sizeof commands / sizeof *commands &&
               (strlen(commands[i].name) != n || strncmp(line, commands[i].name, n) != 0))
            i++;
        if (i == sizeof commands / sizeof *commands) {
            fprintf(stderr, "no command: %s\n", line);
            return 9;
        }
        commands[i].act(line + n + (line[n] == ' '));
    }
    free(line);
    for (int i = 0; i < n_kept; i++)
        free(kept[i]);
    return 0;
}
