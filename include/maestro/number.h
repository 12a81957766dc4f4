/* number: numbers as text without libc's printf and locale, for paths where a request has a microsecond: floats written with
 * as few of seven, eight or nine digits as read back to the same float, and JSON numbers read exactly. */
#ifndef MAESTRO_NUMBER_H
#define MAESTRO_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NUMBER_FLOAT 20 /* bytes that any float needs, with the NUL */
#define NUMBER_WHOLE 24 /* the same of a 64-bit whole number */

/* JSON: "0.1", "-3", "1.5e-12". Not finite: "null". Both return the length, without the NUL behind it. */
size_t number_float(char out[NUMBER_FLOAT], float value);
size_t number_whole(char out[NUMBER_WHOLE], int64_t value);

/* Reads the JSON number that text begins with, rounded correctly. Returns the bytes it took; 0: none stands there. What is
 * too large for a double becomes an infinity. text ends with a NUL somewhere. */
size_t number_read(const char *text, double *out);

#endif
