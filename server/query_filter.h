#ifndef QUERY_FILTER_H
#define QUERY_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "problem.h"
#include "run_view.h"

/**
 * The filter language of the page's filter box and of ?q=:
 *
 *     lr>0.01 tag:baseline status=running name~resnet "two words"
 *
 * Terms are separated by blanks, and a run must fit all of them.
 *   word          a part of the id or the name, in any case
 *   key OP value  OP is one of = != > < >= <= ~ (contains, in any case) and : (the same as =, has for tags)
 * key is tag (or tags), id, name, project, status, notes, created_at, updated_at, ended_at, revision, or
 * a key of the config, with dots for nested ones (config.lr and lr are the same).  Numbers are compared
 * as numbers, all else as text; a key that a run lacks fits != only.  "..." quotes a word, a key or a
 * value, with \" and \\ inside.
 */
struct filter;

/** filter_parse(text, arena, out, p): PROBLEM_INVALID at ?q says which term is wrong, and why. */
int filter_parse(const char *text, struct arena *arena, struct filter **out, struct problem *p);

/** filter_match(f, view, arena, match, p): does a run fit?  f may be NULL: every run does. */
int filter_match(const struct filter *f, struct run_view *view, struct arena *arena, bool *match, struct problem *p);

#endif
