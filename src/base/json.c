/* json: a small checker walks the bytes by the grammar (cJSON is lenient: "01", control characters, NUL, duplicate keys), then
 * cJSON builds the tree. In: bytes; out: a tree of values. What the fields mean is the caller's. */
#include <maestro/json.h>

#include <maestro/text.h>

#include <cjson/cJSON.h>
#include <ctype.h>
#include <math.h>
#include <string.h>

struct scan {
    const char *text, *at, *end;
    const char *name;
    struct err *e;
};

static bool refuse_at(const struct scan *s, const char *at, const char *why)
{
    int line = 1, column = 1;
    for (const char *p = s->text; p < at; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    return err_set(s->e, ERR_FORMAT, "%s:%d:%d: %s", s->name, line, column, why);
}

static bool refuse(const struct scan *s, const char *why)
{
    return refuse_at(s, s->at, s->at >= s->end ? "the JSON ends too early" : why);
}

static char look(const struct scan *s)
{
    return s->at < s->end ? *s->at : '\0';
}

static void skip_space(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool scan_digits(struct scan *s)
{
    const char *start = s->at;
    while (isdigit((unsigned char)look(s)))
        s->at++;
    return s->at > start || refuse(s, "a digit is wanted");
}

static bool scan_number(struct scan *s)
{
    s->at += look(s) == '-';
    bool zero = look(s) == '0';
    const char *start = s->at;
    if (!scan_digits(s))
        return false;
    if (zero && s->at - start > 1)
        return refuse_at(s, start, "a number must not begin with 0");
    if (look(s) == '.') {
        s->at++;
        if (!scan_digits(s))
            return false;
    }
    if (look(s) == 'e' || look(s) == 'E') {
        s->at++;
        s->at += look(s) == '+' || look(s) == '-';
        return scan_digits(s);
    }
    return true;
}

static bool scan_escape(struct scan *s)
{
    static const char allowed[] = "\"\\/bfnrtu";
    s->at++;
    char kind = look(s);
    if (kind == '\0' || !strchr(allowed, kind))
        return refuse(s, "an unknown escape");
    s->at++;
    if (kind != 'u')
        return true;
    for (int i = 0; i < 4; i++)
        if (!isxdigit((unsigned char)(s->at + i < s->end ? s->at[i] : '\0')))
            return refuse(s, "\\u wants four hexadecimal digits");
    if (memcmp(s->at, "0000", 4) == 0)
        return refuse(s, "a NUL character inside a text");
    s->at += 4;
    return true;
}

static bool scan_string(struct scan *s)
{
    uint32_t code = 0;
    if (look(s) != '"')
        return refuse(s, "a text in quotes is wanted");
    for (s->at++; look(s) != '"';) {
        if (look(s) == '\\') {
            if (!scan_escape(s))
                return false;
            continue;
        }
        int length = text_utf8(s->at, (size_t)(s->end - s->at), &code);
        if (length == 0 || code < 0x20)
            return refuse(s, length ? "a control character inside a text" : "bytes that are not UTF-8");
        s->at += length;
    }
    s->at++;
    return true;
}

static bool scan_word(struct scan *s)
{
    static const char *const words[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(s->end - s->at) >= n && memcmp(s->at, words[i], n) == 0) {
            s->at += n;
            return true;
        }
    }
    return refuse(s, "a value is wanted");
}

static bool scan_value(struct scan *s, int depth);

/* One "key": value, or one value of an array. */
static bool scan_member(struct scan *s, bool in_object, int depth)
{
    if (in_object) {
        skip_space(s);
        if (!scan_string(s))
            return false;
        skip_space(s);
        if (look(s) != ':')
            return refuse(s, "a colon is wanted");
        s->at++;
    }
    return scan_value(s, depth);
}

static bool scan_container(struct scan *s, int depth)
{
    bool in_object = look(s) == '{';
    char close = in_object ? '}' : ']';
    if (depth >= JSON_DEPTH_LIMIT)
        return refuse(s, "nested too deep");
    s->at++;
    skip_space(s);
    if (look(s) == close) {
        s->at++;
        return true;
    }
    while (scan_member(s, in_object, depth + 1)) {
        skip_space(s);
        char next = look(s);
        if (next != ',' && next != close)
            return refuse(s, in_object ? "a comma or } is wanted" : "a comma or ] is wanted");
        s->at++;
        if (next == close)
            return true;
    }
    return false;
}

static bool scan_value(struct scan *s, int depth)
{
    skip_space(s);
    char c = look(s);
    if (c == '{' || c == '[')
        return scan_container(s, depth);
    if (c == '"')
        return scan_string(s);
    if (c == '-' || isdigit((unsigned char)c))
        return scan_number(s);
    return scan_word(s);
}

static bool scan_document(struct scan *s)
{
    if (!scan_value(s, 0))
        return false;
    skip_space(s);
    return s->at == s->end || refuse(s, "something stands behind the value");
}

static bool check_keys(const struct scan *s, const cJSON *object)
{
    int n = 0;
    for (const cJSON *a = object->child; a; a = a->next) {
        if (++n > JSON_KEYS_LIMIT)
            return err_set(s->e, ERR_FORMAT, "%s: an object with more than %d keys", s->name, JSON_KEYS_LIMIT);
        for (const cJSON *b = object->child; b != a; b = b->next)
            if (strcmp(a->string, b->string) == 0)
                return err_set(s->e, ERR_FORMAT, "%s: key '%.100s' stands twice in one object", s->name, a->string);
    }
    return true;
}

/* What the grammar cannot see. The depth is bounded by the checker. */
static bool check_tree(const struct scan *s, const cJSON *value)
{
    if (cJSON_IsNumber(value) && !isfinite(value->valuedouble))
        return err_set(s->e, ERR_FORMAT, "%s: the number%s%.100s%s is too large", s->name, value->string ? " of '" : "",
                       value->string ? value->string : "", value->string ? "'" : "");
    if (cJSON_IsObject(value) && !check_keys(s, value))
        return false;
    for (const cJSON *child = value->child; child; child = child->next)
        if (!check_tree(s, child))
            return false;
    return true;
}

bool json_parse(struct json_document *d, const char *name, const char *text, size_t n, struct err *e)
{
    struct scan s = {.text = text, .at = text, .end = text + n, .name = name, .e = e};
    const char *stopped = text;
    d->root = NULL;
    if (n > JSON_BYTES_LIMIT)
        return err_set(e, ERR_FORMAT, "%s: larger than %zu bytes", name, JSON_BYTES_LIMIT);
    if (!scan_document(&s))
        return false;
    cJSON *root = cJSON_ParseWithLengthOpts(text, n, &stopped, 0);
    if (!root)
        return refuse_at(&s, stopped ? stopped : text, "not a JSON value (half a surrogate pair?)");
    if (!check_tree(&s, root)) {
        cJSON_Delete(root);
        return false;
    }
    d->root = (struct json *)root;
    return true;
}

void json_finish(struct json_document *d)
{
    if (!d)
        return;
    cJSON_Delete((cJSON *)d->root);
    d->root = NULL;
}

static const cJSON *node(const struct json *value)
{
    return (const cJSON *)value;
}

const struct json *json_find(const struct json *object, const char *key)
{
    return (const struct json *)cJSON_GetObjectItemCaseSensitive(node(object), key);
}

const struct json *json_first(const struct json *container)
{
    return container ? (const struct json *)node(container)->child : NULL;
}

const struct json *json_next(const struct json *child)
{
    return (const struct json *)node(child)->next;
}

const char *json_key(const struct json *child)
{
    return node(child)->string;
}

bool json_is_object(const struct json *value)
{
    return cJSON_IsObject(node(value));
}

bool json_is_array(const struct json *value)
{
    return cJSON_IsArray(node(value));
}

bool json_is_null(const struct json *value)
{
    return cJSON_IsNull(node(value));
}

bool json_as_number(const struct json *value, double *out)
{
    if (!cJSON_IsNumber(node(value)))
        return false;
    *out = node(value)->valuedouble;
    return true;
}

bool json_as_flag(const struct json *value, bool *out)
{
    if (!cJSON_IsBool(node(value)))
        return false;
    *out = cJSON_IsTrue(node(value));
    return true;
}

bool json_as_text(const struct json *value, const char **out)
{
    if (!cJSON_IsString(node(value)))
        return false;
    *out = node(value)->valuestring;
    return true;
}

static bool lacks(const struct json *object, const char *key, const char *wanted, struct err *e)
{
    const char *found = json_find(object, key) ? "is not" : "is missing; it must be";
    return err_set(e, ERR_FORMAT, "field '%s' %s %s", key, found, wanted);
}

bool json_number(const struct json *object, const char *key, double *out, struct err *e)
{
    return json_as_number(json_find(object, key), out) || lacks(object, key, "a number", e);
}

bool json_whole(const struct json *object, const char *key, long long low, long long high, long long *out,
                struct err *e)
{
    double value = 0;
    if (!json_number(object, key, &value, e))
        return false;
    if (!(fabs(value) <= 0x1p53) || value < trunc(value) || value > trunc(value))
        return err_set(e, ERR_FORMAT, "field '%s' is not a whole number", key);
    if ((long long)value < low || (long long)value > high)
        return err_set(e, ERR_FORMAT, "field '%s' is %lld, out of range: %lld to %lld is wanted", key, (long long)value,
                       low, high);
    *out = (long long)value;
    return true;
}

bool json_flag(const struct json *object, const char *key, bool *out, struct err *e)
{
    return json_as_flag(json_find(object, key), out) || lacks(object, key, "true or false", e);
}

bool json_text(const struct json *object, const char *key, const char **out, struct err *e)
{
    return json_as_text(json_find(object, key), out) || lacks(object, key, "a text", e);
}

bool json_object(const struct json *object, const char *key, const struct json **out, struct err *e)
{
    const struct json *value = json_find(object, key);
    if (!json_is_object(value))
        return lacks(object, key, "an object", e);
    *out = value;
    return true;
}

bool json_array(const struct json *object, const char *key, const struct json **out, struct err *e)
{
    const struct json *value = json_find(object, key);
    if (!json_is_array(value))
        return lacks(object, key, "an array", e);
    *out = value;
    return true;
}

bool json_numbers(const struct json *object, const char *key, double *out, int limit, int *n, struct err *e)
{
    const struct json *array = NULL;
    int count = 0;
    if (!json_array(object, key, &array, e))
        return false;
    for (const struct json *item = json_first(array); item; item = json_next(item), count++) {
        if (count >= limit)
            return err_set(e, ERR_FORMAT, "field '%s' has more than %d numbers", key, limit);
        if (!json_as_number(item, &out[count]))
            return err_set(e, ERR_FORMAT, "field '%s': item %d is not a number", key, count + 1);
    }
    *n = count;
    return true;
}
