/* registry: a policy from its text, NAME or NAME:settings. In: what a user typed. Out: an open policy and the control
 * settings it runs with. Knows the names; the policies know themselves. */
#include <maestro/registry.h>

#include <maestro/hpa.h>

#include "policies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES 32

const char *registry_help(void)
{
    return "  hpa[:KEY=VALUE,...]  the Kubernetes HPA; keys as in section hpa, e.g. hpa:target=60,window=300\n"
           "  fixed:N              always N replicas\n"
           "  random               any allowed action\n"
           "  ppo:FILE             a trained policy file\n"
           "  remote:URL           what another server answers: .../predict or .../suggest\n";
}

/* Splits "name:settings"; settings points into text, or is empty. */
static bool split(const char *text, char name[NAME_BYTES], const char **settings, struct err *e)
{
    const char *colon = strchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : strlen(text);
    if (n == 0 || n >= NAME_BYTES)
        return err_set(e, ERR_USAGE, "policy '%s': no such policy; one of hpa, fixed, random, ppo, remote", text);
    memcpy(name, text, n);
    name[n] = '\0';
    *settings = colon ? colon + 1 : "";
    return true;
}

static bool set_one(struct config *config, const char *pair, size_t n, const char *origin, struct err *e)
{
    char key[128];
    const char *equals = memchr(pair, '=', n);
    if (!equals || n >= sizeof key - 8)
        return err_set(e, ERR_USAGE, "%s: '%.*s' is not KEY=VALUE", origin, (int)n, pair);
    char value[128];
    size_t n_key = (size_t)(equals - pair);
    size_t n_value = n - n_key - 1;
    snprintf(key, sizeof key, "hpa.%.*s", (int)n_key, pair);
    snprintf(value, sizeof value, "%.*s", (int)n_value, equals + 1);
    return config_set(config, key, value, origin, e);
}

static bool hpa_settings(const char *text, const char *settings, struct hpa_config *out, struct err *e)
{
    struct hpa_config parsed;
    struct config_section section = {"hpa", "", hpa_config_keys, n_hpa_config_keys, &parsed};
    struct config config = {0};
    char origin[160];
    snprintf(origin, sizeof origin, "policy %.140s", text);
    bool done = config_init(&config, &section, 1, e);
    for (const char *at = settings; done && *at;) {
        size_t n = strcspn(at, ",");
        done = set_one(&config, at, n, origin, e);
        at += n;
        at += *at == ',';
    }
    config_finish(&config);
    if (done)
        *out = parsed;
    return done;
}

static bool fixed_settings(const char *text, const char *settings, int *replicas, struct err *e)
{
    char *end = NULL;
    long n = strtol(settings, &end, 10);
    if (end == settings || *end || n < 0 || n > REPLICAS_LIMIT)
        return err_set(e, ERR_USAGE, "policy '%s': needs a replica count from 0 to %d, as in fixed:5", text,
                       REPLICAS_LIMIT);
    *replicas = (int)n;
    return true;
}

/* Policies with windows of their own, and unconditional ones, run behind validity and limits only. One that reads pods
 * lives on metrics-server and judges that itself: the guard's validity is Prometheus' signals, which it never asks for. */
static void bare_guard(struct control *control, const struct policy *policy)
{
    control->guard = (struct guard_config){.enabled = !policy->ops->wants_pods};
}

static bool open_named(const char *text, struct control *control, struct policy **out, struct err *e)
{
    char name[NAME_BYTES];
    const char *settings = "";
    struct hpa_config hpa = {0};
    int replicas = 0;
    if (!split(text, name, &settings, e))
        return false;
    if (strcmp(name, "hpa") == 0)
        return hpa_settings(text, settings, &hpa, e) && (!out || hpa_open(&hpa, out, e));
    if (strcmp(name, "fixed") == 0)
        return fixed_settings(text, settings, &replicas, e) && (!out || fixed_open(replicas, out, e));
    if (strcmp(name, "random") == 0)
        return !out || random_open(out, e);
    if (strcmp(name, "remote") == 0)
        return remote_check(settings, e) && (!out || remote_open(settings, control, out, e));
    if (strcmp(name, "ppo") != 0)
        return err_set(e, ERR_USAGE, "policy '%s': no such policy; one of hpa, fixed, random, ppo, remote", text);
    if (!*settings)
        return err_set(e, ERR_USAGE, "policy 'ppo': needs a policy file, as in ppo:runs/demo/best.safetensors");
    return !out || trained_open(settings, control, out, e);
}

bool registry_open(const char *text, struct control *control, struct policy **out, struct err *e)
{
    struct policy *policy = NULL;
    if (!open_named(text, control, &policy, e))
        return false;
    if (policy->ops->kind == POLICY_ABSOLUTE)
        bare_guard(control, policy);
    *out = policy;
    return true;
}

bool registry_check(const char *text, struct err *e)
{
    return open_named(text, NULL, NULL, e);
}
