/* crowd_config: the exporter's table of settings, and targets described in one line. */
#include "crowd_target.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CROWD(field) offsetof(struct crowd_config, field)

static const char SHAPES[] = "constant|ramp|step|spike|diurnal|flash|on-off";

// clang-format off
static const struct config_key KEYS[] = {
    {"address", CONFIG_STRING, CROWD(address), "0.0.0.0", 0, 0, NULL, NULL, "Address to listen on."},
    {"port", CONFIG_INT, CROWD(port), "9400", 0, 65535, NULL, NULL, "Port to listen on; 0: any free one."},
    {"profile", CONFIG_STRING, CROWD(profile), "target-app", 0, 0, NULL, NULL, "Service profile of all targets: a name or a YAML file."},
    {"targets", CONFIG_INT, CROWD(targets), "1", 0, CROWD_TARGETS, NULL, NULL, "Targets besides those of --target: web, or web-1, web-2 and so on."},
    {"namespaces", CONFIG_INT, CROWD(namespaces), "1", 1, 1000, NULL, NULL, "Namespaces over which these are spread: demo, or demo-1, demo-2 and so on."},
    {"shape", CONFIG_CHOICE, CROWD(shape), "diurnal", 0, 0, NULL, SHAPES, "How their load goes."},
    {"base_rps", CONFIG_DOUBLE, CROWD(base_rps), "20", 0, 1e6, "rps", NULL, "Least load of a target."},
    {"peak_rps", CONFIG_DOUBLE, CROWD(peak_rps), "800", 0, 1e6, "rps", NULL, "Most load of a target."},
    {"length_s", CONFIG_DOUBLE, CROWD(length_s), "1800", 1, 1e7, "s", NULL, "Length of the shape: its period, ramp or spike."},
    {"stagger", CONFIG_BOOL, CROWD(stagger), "on", 0, 0, NULL, NULL, "Each target begins elsewhere in the shape."},
    {"replicas", CONFIG_INT, CROWD(replicas), "2", 0, REPLICAS_LIMIT, NULL, NULL, "Replicas of a target at first."},
    {"speed", CONFIG_DOUBLE, CROWD(speed), "1", 0.01, 1000, "ratio", NULL, "Simulated seconds a second; rates are shown as at speed 1."},
    {"seed", CONFIG_LONG, CROWD(seed), "1", 0, 0, NULL, NULL, "Of everything random."},
};
// clang-format on

struct config_section crowd_section(struct crowd_config *c)
{
    return (struct config_section){"exporter", "The simulated cluster that is shown.", KEYS,
                                   (int)(sizeof KEYS / sizeof *KEYS), c};
}

static bool refuse(const char *wish, const char *why, struct err *e)
{
    return err_set(e, ERR_USAGE,
                   "--target '%.100s': %s; wanted is NAMESPACE/NAME=SHAPE:BASE:PEAK[:LENGTH_S] with a shape of %s, or "
                   "NAMESPACE/NAME=FILE.csv:PEAK",
                   wish, why, SHAPES);
}

/* A name as Kubernetes allows it, up to the character end. */
static bool take_name(const char **at, char end, char out[CROWD_NAME])
{
    size_t n = strspn(*at, "abcdefghijklmnopqrstuvwxyz0123456789-");
    if (n == 0 || n >= CROWD_NAME || (*at)[n] != end || **at == '-' || (*at)[n - 1] == '-')
        return false;
    memcpy(out, *at, n);
    out[n] = '\0';
    *at += n + 1;
    return true;
}

/* Up to three numbers behind colons; how many, or -1. */
static int take_numbers(const char *at, double out[3])
{
    int n = 0;
    while (*at) {
        char *end = NULL;
        if (*at != ':' || n == 3)
            return -1;
        out[n] = strtod(at + 1, &end);
        if (end == at + 1 || !isfinite(out[n]) || out[n] < 0)
            return -1;
        n++;
        at = end;
    }
    return n;
}

static int find_shape(const char *name, size_t n)
{
    for (int i = 0; i < LOAD_TRACE; i++)
        if (strlen(load_shape_name(i)) == n && memcmp(load_shape_name(i), name, n) == 0)
            return i;
    return LOAD_SHAPES;
}

bool crowd_read_wish(const char *wish, const struct crowd_config *config, struct crowd_wish *out, struct err *e)
{
    const char *at = wish;
    double numbers[3] = {0};
    *out = (struct crowd_wish){.load = {.length_s = config->length_s}};
    if (!take_name(&at, '/', out->ns) || !take_name(&at, '=', out->name))
        return refuse(wish, "no name of a namespace and a deployment", e);
    const char *colon = strstr(at, ".csv:");
    size_t n = colon ? (size_t)(colon + 4 - at) : strcspn(at, ":");
    int n_numbers = take_numbers(at + n, numbers);
    if (colon) {
        if (n_numbers != 1 || n >= sizeof out->file)
            return refuse(wish, "one number belongs behind the file", e);
        memcpy(out->file, at, n);
        out->load.peak_rps = numbers[0];
        return true;
    }
    out->load.shape = find_shape(at, n);
    if (out->load.shape == LOAD_SHAPES)
        return refuse(wish, "no such shape", e);
    if (n_numbers < 2)
        return refuse(wish, "two or three numbers belong behind the shape", e);
    out->load.base_rps = numbers[0];
    out->load.peak_rps = numbers[1];
    if (n_numbers == 3)
        out->load.length_s = numbers[2];
    return out->load.length_s >= 1 || refuse(wish, "the length is under a second", e);
}
