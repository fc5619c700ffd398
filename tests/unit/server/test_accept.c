#include <criterion/criterion.h>

#include "accept.h"

Test(accept, the_best_liked_representation_wins)
{
    static const struct {
        const char *accept;
        unsigned offered;
        enum media chosen;
    } rows[] = {
        {NULL, MEDIA_JSON | MEDIA_CSV, MEDIA_JSON},
        {"", MEDIA_JSON | MEDIA_CSV, MEDIA_JSON},
        {"*/*", MEDIA_JSON | MEDIA_CSV, MEDIA_JSON},
        {"text/*", MEDIA_JSON | MEDIA_CSV, MEDIA_CSV},
        {"TEXT/CSV", MEDIA_JSON | MEDIA_CSV, MEDIA_CSV},
        {"text/csv, */*", MEDIA_JSON | MEDIA_CSV, MEDIA_CSV},
        {"text/csv;q=0.5, application/json;q=0.1", MEDIA_JSON | MEDIA_CSV, MEDIA_CSV},
        {"text/csv ; q=0.1 , application/json;q=0.25", MEDIA_JSON | MEDIA_CSV, MEDIA_JSON},
        {"text/html, application/json;q=0.9, */*;q=0.1", MEDIA_JSON | MEDIA_CSV, MEDIA_JSON},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", MEDIA_JSON | MEDIA_CSV, MEDIA_JSON},
        {"application/json;q=0, */*", MEDIA_JSON | MEDIA_CSV, MEDIA_CSV},
        {"application/json;q=0, */*", MEDIA_JSON, 0},
        {"image/png", MEDIA_JSON | MEDIA_CSV, 0},
        {"text/csv", MEDIA_NDJSON, 0},
        {"application/x-ndjson", MEDIA_NDJSON, MEDIA_NDJSON},
        {"application/json", MEDIA_NDJSON, MEDIA_NDJSON},
        {"application/jso", MEDIA_JSON, 0},
        {";;;,,/,*", MEDIA_JSON, 0},
        {"application/json;q=banana", MEDIA_JSON, MEDIA_JSON},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(accept_choose(rows[i].accept, rows[i].offered), rows[i].chosen, "%s",
                     rows[i].accept ? rows[i].accept : "(null)");
}

Test(accept, gzip_is_sent_to_those_who_ask_for_it)
{
    static const struct {
        const char *header;
        bool gzip;
    } rows[] = {{NULL, false},
                {"", false},
                {"gzip", true},
                {"GZip", true},
                {"x-gzip", true},
                {"gzip, deflate, br, zstd", true},
                {"br;q=1.0, gzip;q=0.8, *;q=0.1", true},
                {"br", false},
                {"identity", false},
                {"*", true},
                {"*;q=0", false},
                {"gzip;q=0", false},
                {"gzip;q=0.000, *", false},
                {"identity;q=0, gzip;q=0.001", true},
                {"gzipped", false},
                {",,;, gzip", true}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        cr_assert_eq(accept_gzip(rows[i].header), rows[i].gzip, "row %zu: %s", i, rows[i].header);
}
