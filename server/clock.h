#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

int64_t clock_now_ms(void);       /* wall time, ms since 1970 */
int64_t clock_monotonic_us(void); /* for deadlines and durations */

#endif
