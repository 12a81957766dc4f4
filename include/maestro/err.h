/* err: how a function says that it failed. A fallible function returns bool (true = done) and takes a struct err * last
 * (NULL allowed). err_set fills it and returns false, so that failing is one line. Outputs are untouched on failure. */
#ifndef MAESTRO_ERR_H
#define MAESTRO_ERR_H

#include <stdbool.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(format_index, args_index) __attribute__((format(printf, format_index, args_index)))

/* A code exists only because some caller branches on it. */
enum err_code {
    ERR_NONE,
    ERR_USAGE,       /* what the user typed or configured: exit status 2 */
    ERR_IO,          /* the operating system refused */
    ERR_AGAIN,       /* a server was away or busy: the same once more may do */
    ERR_FORMAT,      /* bytes that are not what they claim to be */
    ERR_NUMERIC,     /* NaN or infinity where a number must be */
    ERR_INTERRUPTED, /* a signal ended the work early, everything is saved */
};

struct err {
    enum err_code code;
    char message[512];
};

/* Always false. The message is a sentence without a final full stop that names file, line, key or field. */
bool err_set(struct err *e, enum err_code code, const char *format, ...) PRINTF(3, 4);

/* Puts "context: " in front of the message already there. Always false. */
bool err_wrap(struct err *e, const char *format, ...) PRINTF(2, 3);

#endif
