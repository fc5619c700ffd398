#ifndef STATUS_H
#define STATUS_H

/**
 * What a function of lib/ returns: OK, or one negative value that says why it did nothing.
 * Results go to out parameters and are untouched on failure.  The server adds its own errors below
 * STATUS_SERVER (server/problem.h) and maps every value to one HTTP answer.
 */
enum status {
    OK = 0,
    ERR_RANGE = -1,    /* an argument, a count or a size lies outside its documented range */
    ERR_OVERFLOW = -2, /* a sum would leave int64_t, or a sum of doubles would leave the doubles */
    ERR_CORRUPT = -3,  /* packed bytes are not a state: damaged, truncated or of a later format */
    ERR_FULL = -4,     /* the caller's buffer is too small; the needed size is in the out parameter */
    ERR_MEMORY = -5,   /* the caller's allocator gave nothing */
    ERR_SHAPE = -6,    /* two states that cannot be added: another form, task or number of classes */
    ERR_SYNTAX = -7,   /* a text (a selector) is malformed */
    ERR_UNKNOWN = -8,  /* a name (a metric, an average, an argument) that does not exist */
    ERR_NEED = -9,     /* the state does not hold what the metric needs */
    STATUS_SERVER = -100
};

#endif
