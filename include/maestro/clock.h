/* clock: the two clocks and how a moment is written. */
#ifndef MAESTRO_CLOCK_H
#define MAESTRO_CLOCK_H

#define CLOCK_TEXT 32

double clock_monotonic_s(void); /* for durations: never goes back; its zero means nothing */
double clock_wall_s(void);      /* seconds since 1970-01-01T00:00:00Z */

/* "2026-03-01T12:00:00.250Z", milliseconds cut off, not rounded; "-" for what is not a moment of the years 1 to 9999.
 * Returns out. */
char *clock_text(char out[CLOCK_TEXT], double wall_s);

#endif
