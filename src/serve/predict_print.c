/* predict_print: the answer's text, written into one line on the stack and appended at once. In: a decision. Out: a JSON
 * object. Decides nothing. */
#include "predict_print.h"
#include "predict_parse.h"

#include <maestro/dist.h>
#include <maestro/number.h>

#include <string.h>

#define LINE_BYTES 2048 // 2 x 16 numbers of 20 bytes, all names that can be assumed, and the keys: below 1,400

/* n > 0: a text without its NUL. */
static char *put(char *at, const char *text, size_t n)
{
    memcpy(at, text, n);
    return at + n;
}
#define PUT(at, literal) put(at, literal, sizeof literal - 1)

static char *put_whole(char *at, int value)
{
    return at + number_whole(at, value);
}

static char *put_floats(char *at, const float *values, int n)
{
    *at++ = '[';
    for (int i = 0; i < n; i++) {
        if (i)
            *at++ = ',';
        at += number_float(at, values[i]);
    }
    *at++ = ']';
    return at;
}

static char *put_assumed(char *at, unsigned assumed)
{
    *at++ = '[';
    for (int i = 0; i < PREDICT_FIELDS; i++) {
        if (!(assumed >> i & 1u))
            continue;
        size_t n_name;
        const char *name = predict_field_name((enum predict_field)i, &n_name);
        if (at[-1] != '[')
            *at++ = ',';
        *at++ = '"';
        at = put(at, name, n_name);
        *at++ = '"';
    }
    *at++ = ']';
    return at;
}

static char *put_move(char *at, const struct action_set *set, const struct predict_decision *d)
{
    int delta = set->delta[d->answer.action];
    const char *name = action_name(delta);
    at = put_whole(PUT(at, "{\"action\":"), d->answer.action);
    at = put(PUT(at, ",\"action_name\":\""), name, strlen(name));
    at = put_whole(PUT(at, "\",\"delta\":"), delta);
    at = PUT(at, ",\"desired_replicas\":");
    return d->has_replicas ? put_whole(at, d->desired_replicas) : PUT(at, "null");
}

void predict_print(const struct model *model, const struct predict_decision *d, struct buf *out)
{
    const struct action_set *set = &model->file.control.actions;
    float probabilities[ACTIONS_LIMIT];
    char line[LINE_BYTES];
    dist_probabilities(d->answer.logits, d->mask, set->n, probabilities);
    char *at = put_move(line, set, d);
    at = put_floats(PUT(at, ",\"probabilities\":"), probabilities, set->n);
    at = put_floats(PUT(at, ",\"logits\":"), d->answer.logits, set->n);
    at = PUT(at, ",\"value\":");
    at += number_float(at, d->answer.value);
    at = PUT(at, ",\"ood\":");
    at += number_float(at, d->answer.ood);
    at = put_assumed(PUT(at, ",\"assumed\":"), d->assumed);
    at = PUT(at, ",\"model\":");
    buf_append(out, line, (size_t)(at - line));
    buf_append(out, model->brief.bytes, model->brief.len);
    buf_append(out, "}", 1);
}
