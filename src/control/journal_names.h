/* journal_names: what the writer and the reader of journal lines must agree on. */
#ifndef CONTROL_JOURNAL_NAMES_H
#define CONTROL_JOURNAL_NAMES_H

#include <maestro/journal.h>

#define JOURNAL_VALIDITIES 5

extern const char *const journal_signal_names[SIGNAL_COUNT];
extern const char *const journal_validity_names[JOURNAL_VALIDITIES]; /* in the order of enum validity */

#endif
