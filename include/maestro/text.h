/* text: small questions about text that several writers and readers of ours ask. No allocation. */
#ifndef MAESTRO_TEXT_H
#define MAESTRO_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_DOUBLE 32 /* bytes that any double needs, with the NUL */

/* The shortest of %.15g, %.16g and %.17g that reads back to the same double. NaN and infinities become "nan", "inf" and
 * "-inf". Returns out. */
char *text_double(char out[TEXT_DOUBLE], double value);

/* Reads one UTF-8 character of at most n bytes: its length in bytes (1 to 4) and its code point, or 0 where the bytes are
 * not UTF-8 (overlong, surrogate, cut short, n == 0). */
int text_utf8(const char *bytes, size_t n, uint32_t *code_point);

/* How the character at bytes (n > 0 left) stands inside a JSON string: itself, or an escape; bytes that are not UTF-8 become
 * U+FFFD. Returns how many bytes it took; *n_out is the length of out. */
#define TEXT_ESCAPE 8
size_t text_json_char(const char *bytes, size_t n, char out[TEXT_ESCAPE], size_t *n_out);

/* Copies text into out of n bytes. A word with a slash in it that is longer than TEXT_PATH bytes loses its middle to "...",
 * so that a path's beginning and its file's name stay; what still does not fit is cut off at the end. Returns out. */
#define TEXT_PATH 64
char *text_shorten(char *out, size_t n, const char *text);

/* Insertions, deletions, substitutions and swaps of neighbours that turn a into b; texts over 63 bytes count as far. */
int text_distance(const char *a, const char *b);

/* True where candidate is close enough to what was typed to be offered, and closer than *best (which it lowers). Start with
 * *best = TEXT_FAR. */
#define TEXT_FAR 1000
bool text_suggests(const char *typed, const char *candidate, int *best);

#endif
