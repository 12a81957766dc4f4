/* config_value: one configuration value: from text, to text, to and from its place in a struct. Used inside config only. */
#ifndef BASE_CONFIG_VALUE_H
#define BASE_CONFIG_VALUE_H

#include <maestro/config.h>

/* A value of any type on its way; which member counts follows from the key's type. */
struct config_value {
    bool flag;               /* CONFIG_BOOL */
    long long whole;         /* CONFIG_INT, CONFIG_LONG, CONFIG_CHOICE */
    double number;           /* CONFIG_DOUBLE, CONFIG_OFF_DOUBLE */
    struct config_list list; /* CONFIG_INTS, CONFIG_DOUBLES */
    char text[CONFIG_TEXT];  /* CONFIG_STRING, CONFIG_TEXTS */
};

/* The message says what is wrong and what would be right; the caller puts the place in front. */
MUST_CHECK bool config_value_parse(const struct config_key *k, const char *text, struct config_value *out,
                                   struct err *e);

void config_value_store(const struct config_key *k, const struct config_value *v, void *target);
void config_value_load(const struct config_key *k, const void *target, struct config_value *out);

/* Text that config_value_parse reads back to the same value. quote: as a YAML value. */
void config_value_text(const struct config_key *k, const struct config_value *v, bool quote, struct buf *out);

bool config_is_list(const struct config_key *k);

/* "1 to 3600 s", "at least 0 s", "one of relu, tanh": what the key accepts; nothing where there is nothing to say. */
void config_range_text(const struct config_key *k, struct buf *out);

#endif
