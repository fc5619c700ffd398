/*
 * Why: tables for spreadsheets.  User text must come out as text there, never as a formula.  One
 * writer per buffer, any thread.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json_writer.h"

#include "csv.h"

void csv_init(struct csv *c, struct buffer *out)
{
    *c = (struct csv){.out = out};
}

static void begin_cell(struct csv *c)
{
    if (c->in_row)
        buffer_add(c->out, ",", 1);
    c->in_row = true;
}

/* What a spreadsheet takes for a formula: by its first character, which in some languages is the wide form. */
static bool is_formula(const char *text)
{
    static const char *const WIDE[] = {"\uff1d", "\uff0b", "\uff0d", "\uff20"};

    for (size_t i = 0; i < sizeof WIDE / sizeof WIDE[0]; i++)
        if (strncmp(text, WIDE[i], 3) == 0)
            return true;
    return strchr("=+-@\t\r\n", text[0]) != NULL;
}

void csv_text(struct csv *c, const char *text)
{
    begin_cell(c);
    if (text == NULL || *text == '\0')
        return;
    bool formula = is_formula(text);
    if (!formula && strpbrk(text, "\",\r\n") == NULL) {
        buffer_text(c->out, text);
        return;
    }
    buffer_text(c->out, formula ? "\"'" : "\"");
    for (const char *quote; (quote = strchr(text, '"')) != NULL; text = quote + 1) {
        buffer_add(c->out, text, (size_t)(quote - text));
        buffer_add(c->out, "\"\"", 2);
    }
    buffer_text(c->out, text);
    buffer_add(c->out, "\"", 1);
}

void csv_printf(struct csv *c, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    csv_text(c, length < 0 ? "" : text);
}

void csv_int(struct csv *c, int64_t value)
{
    begin_cell(c);
    buffer_printf(c->out, "%" PRId64, value);
}

void csv_double(struct csv *c, double value)
{
    begin_cell(c);
    if (!isfinite(value))
        return;
    char text[32];
    buffer_add(c->out, text, json_format_double(value, text));
}

void csv_empty(struct csv *c)
{
    begin_cell(c);
}

void csv_end_row(struct csv *c)
{
    buffer_add(c->out, "\r\n", 2);
    c->in_row = false;
}
