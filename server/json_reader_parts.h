#ifndef JSON_READER_PARTS_H
#define JSON_READER_PARTS_H

#include "json_reader.h"

/** Private to json_reader.c and json_reader_value.c. */

/** json_reader_malformed(r, at, what): "<what> at byte <n>" at the current place.  Returns PROBLEM_MALFORMED. */
int json_reader_malformed(struct json_reader *r, const char *at, const char *what);
int json_reader_no_memory(struct json_reader *r);

/** Check a string (at its quote) and step over it.  raw: what stands between the quotes. */
int json_reader_scan_string(struct json_reader *r, struct json_slice *raw, bool *escaped);

#endif
