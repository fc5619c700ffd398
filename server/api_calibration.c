/*
 * GET .../calibration: the rows of a reliability diagram, from the bins of confidence of one epoch, as JSON or CSV.
 */
#include "csv.h"
#include "curve.h"
#include "json_writer.h"
#include "query_epoch_sum.h"
#include "routes.h"

static void write_row(struct json_writer *w, uint32_t bin, const struct calibration_row *row)
{
    json_object_begin(w);
    json_key(w, "bin");
    json_int(w, bin);
    json_key(w, "low");
    json_double(w, row->low);
    json_key(w, "high");
    json_double(w, row->high);
    json_key(w, "count");
    json_int(w, row->count);
    json_key(w, "correct");
    json_int(w, row->correct);
    json_key(w, "confidence");
    json_double(w, row->confidence);
    json_key(w, "accuracy");
    json_double(w, row->accuracy);
    json_object_end(w);
}

static void write_json(struct response *r, const struct query_run *run, const struct epoch_sum *sum)
{
    uint32_t bins = sum->series != NULL ? sum->series->shape.bins : 0;
    struct calibration_row row;
    struct json_writer w;
    json_writer_init(&w, &r->body);
    json_object_begin(&w);
    query_head(&w, run);
    query_write_epoch(&w, sum);
    json_key(&w, "bins");
    json_int(&w, bins);
    json_key(&w, "rows");
    json_array_begin(&w);
    for (uint32_t bin = 0; sum->state.batches > 0 && bin <= bins; bin++)
        if (calibration_row(&sum->state, bin, &row) == OK)
            write_row(&w, bin, &row);
    json_array_end(&w);
    json_object_end(&w);
}

static void write_csv(struct response *r, const struct epoch_sum *sum)
{
    static const char *const header[] = {"bin", "low", "high", "count", "correct", "confidence", "accuracy"};
    uint32_t bins = sum->series != NULL ? sum->series->shape.bins : 0;
    struct calibration_row row;
    struct csv w;
    csv_init(&w, &r->body);
    r->content_type = QUERY_CSV_TYPE;
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        csv_text(&w, header[i]);
    csv_end_row(&w);
    for (uint32_t bin = 0; sum->state.batches > 0 && bin <= bins; bin++) {
        if (calibration_row(&sum->state, bin, &row) != OK)
            continue;
        csv_int(&w, bin);
        csv_double(&w, row.low);
        csv_double(&w, row.high);
        csv_int(&w, row.count);
        csv_int(&w, row.correct);
        csv_double(&w, row.confidence);
        csv_double(&w, row.accuracy);
        csv_end_row(&w);
    }
}

int api_calibration_get(struct request *q, struct response *r, struct problem *p)
{
    struct query_run run;
    struct epoch_sum sum = {.epoch = -1};
    const struct series_row *series = NULL;
    enum media media;
    int rc = query_media(q, MEDIA_JSON | MEDIA_CSV, &media, p);
    if (rc != OK)
        return rc;
    rc = query_run_begin(q, true, &run, p);
    if (rc != OK || query_etag(q, r, &run.run))
        goto out;
    rc = query_series_asked(q, &run, KIND_CALIBRATION, "a reliability diagram", NULL, &series, p);
    if (rc == OK)
        rc = query_epoch_sum(q, series, false, &sum, p);
    if (rc == OK && media == MEDIA_CSV)
        write_csv(r, &sum);
    else if (rc == OK)
        write_json(r, &run, &sum);
out:
    query_epoch_sum_release(&sum);
    query_run_end(q, &run);
    return query_finish(r, rc, p);
}
