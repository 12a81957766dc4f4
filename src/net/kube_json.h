/* kube_json: small writers of JSON that objects sent to the API server have in common. */
#ifndef NET_KUBE_JSON_H
#define NET_KUBE_JSON_H

#include <maestro/json.h>
#include <maestro/json_write.h>

/* A value as it was read. Deeper than the writer can go: false, and w then holds part of it. */
MUST_CHECK bool kube_json_copy(struct json_writer *w, const struct json *value, struct err *e);

/* "key":"value"; nothing where value is NULL or empty. */
void kube_json_field(struct json_writer *w, const char *key, const char *value);

/* RFC 3339 with six digits behind the second, which is how the API writes and wants a MicroTime, or with none (Time). */
#define KUBE_TIME 40
char *kube_micro_time(char out[KUBE_TIME], double wall_s);
char *kube_time(char out[KUBE_TIME], double wall_s);

#endif
