/* kube_json: values and times as the API server wants them written. In: parsed values, seconds; out: JSON text. */
#include "kube_json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool copy_value(struct json_writer *w, const struct json *value);

static bool copy_children(struct json_writer *w, const struct json *value)
{
    for (const struct json *child = json_first(value); child; child = json_next(child)) {
        if (json_key(child))
            json_put_key(w, json_key(child));
        if (!copy_value(w, child))
            return false;
    }
    return true;
}

static void copy_number(struct json_writer *w, double number)
{
    if (fabs(number) <= 0x1p53 && !(number < trunc(number) || number > trunc(number)))
        json_put_whole(w, (long long)number);
    else
        json_put_double(w, number);
}

static bool copy_value(struct json_writer *w, const struct json *value)
{
    const char *text = NULL;
    double number = 0;
    bool flag = false;
    if (json_is_object(value) || json_is_array(value)) {
        bool object = json_is_object(value);
        if (w->depth >= JSON_WRITE_DEPTH)
            return false;
        (object ? json_begin_object : json_begin_array)(w);
        if (!copy_children(w, value))
            return false;
        (object ? json_end_object : json_end_array)(w);
        return true;
    }
    if (json_as_text(value, &text))
        json_put_text(w, text);
    else if (json_as_number(value, &number))
        copy_number(w, number);
    else if (json_as_flag(value, &flag))
        json_put_bool(w, flag);
    else
        json_put_null(w);
    return true;
}

bool kube_json_copy(struct json_writer *w, const struct json *value, struct err *e)
{
    return copy_value(w, value) || err_set(e, ERR_FORMAT, "nested deeper than %d", JSON_WRITE_DEPTH);
}

void kube_json_field(struct json_writer *w, const char *key, const char *value)
{
    if (!value || !*value)
        return;
    json_put_key(w, key);
    json_put_text(w, value);
}

static char *write_time(char out[KUBE_TIME], double wall_s, bool micro)
{
    struct tm tm = {0};
    double second = floor(wall_s);
    time_t t = wall_s >= 0.0 && wall_s < 253402300800.0 ? (time_t)second : 0;
    gmtime_r(&t, &tm);
    size_t n = strftime(out, KUBE_TIME, "%Y-%m-%dT%H:%M:%S", &tm);
    if (micro)
        snprintf(out + n, KUBE_TIME - n, ".%06dZ", t ? (int)((wall_s - second) * 1e6) % 1000000 : 0);
    else
        snprintf(out + n, KUBE_TIME - n, "Z");
    return out;
}

char *kube_micro_time(char out[KUBE_TIME], double wall_s)
{
    return write_time(out, wall_s, true);
}

char *kube_time(char out[KUBE_TIME], double wall_s)
{
    return write_time(out, wall_s, false);
}
