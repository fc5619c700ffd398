#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "csv.h"

Test(csv, text_is_quoted_and_never_a_formula)
{
    static const struct {
        const char *text, *cell;
    } rows[] = {
        {NULL, ""},
        {"", ""},
        {"plain", "plain"},
        {"a,b", "\"a,b\""},
        {"a \"b\"", "\"a \"\"b\"\"\""},
        {"a\nb", "\"a\nb\""},
        {"\"", "\"\"\"\""},
        {"=1+1", "\"'=1+1\""},
        {"+1", "\"'+1\""},
        {"-x", "\"'-x\""},
        {"@a", "\"'@a\""},
        {"\ta", "\"'\ta\""},
        {"\r", "\"'\r\""},
        {"\n=1", "\"'\n=1\""},
        {"\uff1d1+1", "\"'\uff1d1+1\""},
        {"\uff20a", "\"'\uff20a\""},
        {"\uff1a", "\uff1a"},
        {"a=b", "a=b"},
        {"=\"x\"", "\"'=\"\"x\"\"\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buffer b;
        struct csv c;
        char want[64];
        buffer_init(&b);
        csv_init(&c, &b);
        csv_text(&c, rows[i].text);
        csv_end_row(&c);
        snprintf(want, sizeof want, "%s\r\n", rows[i].cell);
        cr_assert(b.size == strlen(want) && memcmp(b.data, want, b.size) == 0, "row %zu: %.*s", i, (int)b.size, b.data);
        buffer_release(&b);
    }
}

Test(csv, numbers_are_as_in_json_and_null_is_an_empty_cell)
{
    struct buffer b;
    struct csv c;
    buffer_init(&b);
    csv_init(&c, &b);
    csv_int(&c, INT64_MIN);
    csv_double(&c, 0.1);
    csv_double(&c, -3);
    csv_double(&c, NAN);
    csv_double(&c, INFINITY);
    csv_empty(&c);
    csv_printf(&c, "%s[%d]", "f1", 2);
    csv_end_row(&c);
    csv_int(&c, 1);
    csv_end_row(&c);
    buffer_add(&b, "", 1);
    cr_assert_str_eq(b.data, "-9223372036854775808,0.1,-3,,,,f1[2]\r\n1\r\n");
    buffer_release(&b);
}
