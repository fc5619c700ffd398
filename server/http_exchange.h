#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <microhttpd.h>

#include "http.h"
#include "http_body.h"
#include "http_drain.h"
#include "http_gate.h"
#include "http_guard.h"
#include "http_listener.h"
#include "http_loop.h"
#include "http_message.h"
#include "http_workers.h"

/**
 * Private to the files that know libmicrohttpd: http.c, http_wait.c, http_answer.c, http_network.c, http_exchange.c.
 *
 * Everything of one exchange (a request and its answer) hangs off one struct, taken when the request line is in and
 * given back in the completion callback.
 */
enum { NETWORKS_MAX = 16, SPARE_MAX = 32, EXCHANGE_ROOM = 8192, ANSWER_CACHE = 8, ANSWER_CACHED_MAX = 64, IDLE_S = 75 };

/*
 * Where an exchange is, for its network thread.  Whoever answers it later sends mail.  Meanwhile it is parked: the
 * library asks for the answer in each pass and gets none, which costs less than the calls of the kernel to suspend and
 * to resume its connection.  When that takes long, or many wait, its connection is suspended.
 */
enum exchange_state {
    EXCHANGE_HEAD,
    EXCHANGE_BODY,
    EXCHANGE_PARKED,
    EXCHANGE_SUSPENDED,
    EXCHANGE_ABANDONED, /* its connection ended while it was parked; the mail frees it */
    EXCHANGE_DONE
};

struct network;

struct exchange {
    struct request q;
    struct response r;
    struct network *network;
    struct exchange *next_spare;
    struct MHD_Connection *mhd;
    struct conn *conn;
    struct work work;
    struct loop_mail mail; /* "go on with me" */
    int64_t parked_at;     /* us, monotonic */
    struct gate_ticket ticket;
    enum exchange_state state;
    const char *target; /* in the library's buffer, undecoded until its callback returns */
    size_t target_size;
    const char *target_copy; /* made before the library changed it in place */
    struct guard_framing framing;
    struct body body;
    int64_t began_us;   /* the header was in, by clock_monotonic_us() */
    int64_t unpack_max; /* gzip: the bytes that the gate was told of; 0: not yet */
    bool is_last;       /* the connection closes after the answer */
    bool is_early;      /* answered before the whole request was read */
    bool is_counted;
    bool was_woken; /* the whole request is in, and said so once */
    int rc;         /* OK, or problem.code */
    const char *allow;
    struct problem problem;                                /* meaningful where rc != OK */
    max_align_t room[EXCHANGE_ROOM / sizeof(max_align_t)]; /* the first block of q.arena */
};

/* A small answer that was sent before, ready to be sent again. */
struct cached_answer {
    struct MHD_Response *response; /* NULL: none */
    char body[ANSWER_CACHED_MAX];
    size_t size;
};

/* What belongs to one network thread. */
struct network {
    struct http *http;
    struct MHD_Daemon *daemon;
    struct loop *loop;
    struct exchange *spare; /* to be used again */
    unsigned n_spare;
    unsigned n_parked;
    int64_t pass_at;                            /* when the last pass of the library began: us, monotonic */
    bool is_moving;                             /* it did something in that pass */
    struct cached_answer answers[ANSWER_CACHE]; /* by a hash of the body */
};

struct http {
    struct drain exchanges; /* from a complete header to the end of the answer */
    _Atomic bool quiet;
    bool is_tls;
    struct body_budget budget;
    struct gate gate; /* before large bodies are decoded */
    const struct limits *limits;
    struct app *app;
    struct listener *listener;
    struct workers *workers;
    struct network network[NETWORKS_MAX];
    unsigned n_networks, next_network;
    struct MHD_Response *without_memory; /* 503 out-of-memory, made at the start: the answer where none can be made */
};

/* What http_network.c hands to the library (context: the network) and to the gate. */
void *http_on_request_line(void *context, const char *target, struct MHD_Connection *mhd);
enum MHD_Result http_on_call(void *context, struct MHD_Connection *mhd, const char *url, const char *method,
                             const char *version, const char *data, size_t *size, void **exchange);
void http_on_completed(void *context, struct MHD_Connection *mhd, void **exchange, enum MHD_RequestTerminationCode why);
void http_let_in(struct gate_ticket *ticket);

/* ---- http_exchange.c ---- */

/** exchange_new(n): zeroed but for its problem and its room, which are large.  NULL: no memory. */
struct exchange *exchange_new(struct network *n);
/** exchange_end(x): the answer is out, or nobody waits for it any more: all that it holds is given back. */
void exchange_end(struct exchange *x);
void exchange_free_spares(struct network *n);

/* ---- http_wait.c ---- */

/** http_wait_for_answer(x): the whole request is in: hand it to its worker or its handler.  Nothing of it may be touched
 *  after that; the next call has it DONE, with rc set. */
enum MHD_Result http_wait_for_answer(struct exchange *x);
/** http_stay_parked(x): the library asks for the answer of one that is parked. */
enum MHD_Result http_stay_parked(struct exchange *x);
/** http_abandon(x): the connection of one that is parked has ended: whoever answers it frees it. */
void http_abandon(struct exchange *x);
/** http_wait_for_gate(x): until http_let_in() of its ticket; then it is called as before. */
void http_wait_for_gate(struct exchange *x);
/** http_wait_for_call(x): the library shall only call once more. */
enum MHD_Result http_wait_for_call(struct exchange *x);

/* ---- http_answer.c ---- */

/** http_answer(x): queue the answer: the response, or the problem that rc names. */
enum MHD_Result http_answer(struct exchange *x);
void answer_cache_release(struct network *n);
/** answer_without_memory(): struct http.without_memory; NULL: no memory.  The caller destroys it. */
struct MHD_Response *answer_without_memory(void);

#endif
