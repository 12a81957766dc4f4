/* asker: the connection to Prometheus and what goes over it: the token that is read anew, the texts for the targets of the
 * moment, the five questions side by side. In: targets. Out: answers; what they mean is the matter of readings. */
#include "asker.h"

#include <maestro/clock.h>
#include <maestro/file.h>

#include <ctype.h>
#include <string.h>

#define NAMES_LIMIT 48 /* targets that queries name one by one; with more, elements of others come along and are left */
#define NAMESPACES_LIMIT 64
#define TOKEN_LIMIT ((size_t)16384) /* bytes of a token file */

static const double TOKEN_S = 60; /* between two looks at it */

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

/* The header from the token file; unchanged where there is none. */
static bool read_token(const struct asker *a, struct buf *out, struct err *e)
{
    CLEANUP_BUF struct buf text = {0};
    if (!a->config->token_file[0])
        return true;
    if (!file_read(a->config->token_file, TOKEN_LIMIT, &text, e) || !buf_ok(&text, e))
        return err_wrap(e, "prometheus.token_file");
    while (text.len && isspace((unsigned char)text.bytes[text.len - 1]))
        text.bytes[--text.len] = '\0';
    for (size_t i = 0; i < text.len; i++)
        if (iscntrl((unsigned char)text.bytes[i]))
            return err_set(e, ERR_FORMAT, "prometheus.token_file: %s: more than one line", a->config->token_file);
    if (text.len == 0)
        return err_set(e, ERR_FORMAT, "prometheus.token_file: %s is empty", a->config->token_file);
    buf_printf(out, "Authorization: %s%s", strchr(text.bytes, ' ') ? "" : "Bearer ", text.bytes);
    return buf_ok(out, e);
}

static bool open_client(struct asker *a, struct err *e)
{
    const struct live_prometheus *c = a->config;
    struct prom_config config = {.url = c->url,
                                 .headers = {a->authorization.len ? a->authorization.bytes : NULL},
                                 .timeout_s = c->timeout_s,
                                 .use_get = c->use_get,
                                 .http = {.user_agent = a->user_agent,
                                          .timeout_s = c->timeout_s,
                                          .ca_file = or_null(c->ca_file),
                                          .certificate_file = or_null(c->certificate_file),
                                          .key_file = or_null(c->key_file),
                                          .server_name = or_null(c->server_name),
                                          .insecure = c->insecure}};
    struct prom *fresh = NULL;
    if (!prom_open(&config, &fresh, e))
        return false;
    prom_close(a->prom);
    a->prom = fresh;
    return true;
}

/* A new token means a new client. A token file that cannot be read keeps the old one. */
void asker_renew(struct asker *a, double monotonic_s, struct err *e)
{
    struct buf fresh = {0};
    if (!a->config->token_file[0] || monotonic_s - a->token_read_s < TOKEN_S)
        return;
    a->token_read_s = monotonic_s;
    if (!read_token(a, &fresh, e) || strcmp(fresh.bytes, a->authorization.bytes) == 0) {
        buf_finish(&fresh);
        return;
    }
    struct buf old = a->authorization;
    a->authorization = fresh;
    if (open_client(a, e))
        fresh = old;
    else
        a->authorization = old;
    buf_finish(&fresh);
}

/* Namespaces with a target, or ".+" where they are many. */
static void put_namespaces(const struct targets *t, struct buf *out)
{
    const char *seen[NAMESPACES_LIMIT];
    int n = 0;
    for (int i = 0; i < t->n; i++) {
        const struct target_slot *slot = &t->slots[i];
        int k = 0;
        while (k < n && strcmp(seen[k], slot->view.space) != 0)
            k++;
        if (!slot->used || k < n)
            continue;
        if (n == NAMESPACES_LIMIT) {
            buf_clear(out);
            buf_text(out, ".+");
            return;
        }
        seen[n++] = slot->view.space;
        buf_text(out, n > 1 ? "|" : "");
        prom_escape_pattern(out, slot->view.space);
    }
}

static void put_names(const struct targets *t, struct buf *out)
{
    if (t->n_used > NAMES_LIMIT)
        buf_text(out, ".+");
    for (int i = 0; i < t->n && t->n_used <= NAMES_LIMIT; i++) {
        if (!t->slots[i].used)
            continue;
        buf_text(out, out->len ? "|" : "");
        prom_escape_pattern(out, t->slots[i].view.name);
    }
}

static bool build_queries(struct asker *a, struct targets *t, struct err *e)
{
    CLEANUP_BUF struct buf namespaces = {0};
    CLEANUP_BUF struct buf names = {0};
    if (!t->changed)
        return true;
    put_namespaces(t, &namespaces);
    put_names(t, &names);
    if (!buf_ok(&namespaces, e) || !buf_ok(&names, e))
        return false;
    struct query_scope scope = {namespaces.bytes, names.bytes};
    for (int id = 0; id < QUERIES; id++)
        if (!query_build(a->config, &scope, (enum query_id)id, &a->text[id], e))
            return false;
    t->changed = false;
    return true;
}

bool asker_open(struct asker *a, const struct live_prometheus *config, const char *user_agent, struct err *e)
{
    *a = (struct asker){.config = config, .user_agent = user_agent, .token_read_s = clock_monotonic_s()};
    return read_token(a, &a->authorization, e) && open_client(a, e);
}

void asker_close(struct asker *a)
{
    prom_close(a->prom);
    for (int id = 0; id < QUERIES; id++)
        buf_finish(&a->text[id]);
    buf_finish(&a->pods_text);
    buf_finish(&a->authorization);
    *a = (struct asker){0};
}

bool asker_ask(struct asker *a, struct targets *t, struct prom_answer answers[QUERIES], struct err *e)
{
    const char *texts[QUERIES];
    if (!build_queries(a, t, e))
        return false;
    for (int id = 0; id < QUERIES; id++)
        texts[id] = a->text[id].bytes;
    prom_query_all(a->prom, texts, QUERIES, 0, answers);
    return true;
}

bool asker_ask_pods(struct asker *a, const struct fleet_view *view, struct prom_answer *answer, struct err *e)
{
    CLEANUP_BUF struct buf space = {0};
    CLEANUP_BUF struct buf name = {0};
    prom_escape_pattern(&space, view->space);
    prom_escape_pattern(&name, view->name);
    if (!buf_ok(&space, e) || !buf_ok(&name, e))
        return false;
    struct query_scope scope = {space.bytes, name.bytes};
    if (!query_build_pods(a->config, &scope, &a->pods_text, e))
        return false;
    const char *text = a->pods_text.bytes;
    prom_query_all(a->prom, &text, 1, 0, answer);
    return true;
}
