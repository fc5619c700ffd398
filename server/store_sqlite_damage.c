/**
 * What happens when damage is met: the operation fails with PROBLEM_DAMAGED, and the store writes nothing more, since what
 * it would write could rest on what is wrong.  Reads of what is whole go on.
 */
#include <stdio.h>
#include <string.h>

#include "store_sqlite.h"

/* The first one counts; it is written once, before others may read it. */
void store_mark_damaged(struct store *s, const char *where)
{
    int none = 0;

    if (atomic_compare_exchange_strong(&s->damage_stage, &none, 1)) {
        snprintf(s->damage, sizeof s->damage, "%s", where);
        atomic_store(&s->damage_stage, 2);
    }
    atomic_store(&s->read_only, true);
}

bool store_is_damaged(const struct store *s, const char **where)
{
    if (atomic_load(&s->damage_stage) != 2)
        return false;
    *where = s->damage;
    return true;
}

int store_damaged(struct store_conn *c, const char *what, int rc, struct problem *p)
{
    struct store_damage damage =
        rc == SQLITE_IOERR_DATA ? store_page_damage(c->db) : (struct store_damage){STORE_DAMAGE_NONE, 0};
    char where[96] = "the database file";

    if (damage.kind != STORE_DAMAGE_NONE)
        snprintf(where, sizeof where, "%s %lld of the %s", damage.kind == STORE_DAMAGE_PAGE ? "page" : "frame",
                 (long long)damage.number, damage.kind == STORE_DAMAGE_PAGE ? "database file" : "write-ahead log");
    const char *first = NULL;
    bool is_known = c->store != NULL && store_is_damaged(c->store, &first) && strcmp(first, where) == 0;
    if (c->store != NULL)
        store_mark_damaged(c->store, where);
    problem_set(p, PROBLEM_DAMAGED, NULL, "cannot %s: %s is damaged (code %d)%s", what, where, rc,
                c->store != NULL && !c->store->is_guest ? "; the store is read-only from now on" : "");
    if (p != NULL)
        p->is_known = is_known; /* a page that is asked for again and again is one line of the log */
    return PROBLEM_DAMAGED;
}

int store_refuse_write(const struct store *s, struct problem *p)
{
    const char *where = NULL;

    if (store_is_damaged(s, &where))
        return problem_set(p, PROBLEM_STORAGE, NULL,
                           "the store is read-only since damage was found (%s): restore a backup", where);
    return problem_set(p, PROBLEM_STORAGE, NULL,
                       "the store is read-only since a write failed: restart the server once the disk is well");
}
