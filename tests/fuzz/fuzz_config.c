/* Any bytes as a configuration file: refused with a usage error that names the file and changes nothing, or accepted, and then
 * the printed configuration reads back to the same values. */
#include "fuzz.h"

#include <maestro/config.h>

#include <math.h>
#include <string.h>

struct values {
    double rate, period_s, budget, kl, cores;
    int n, kind;
    long long bytes;
    bool on;
    struct config_list sizes, weights;
    char name[CONFIG_TEXT], traces[CONFIG_TEXT];
};

/* clang-format off */
#define AT(field) offsetof(struct values, field)
static const struct config_key KEYS[] = {
    {"rate", CONFIG_DOUBLE, AT(rate), "3e-4", 0, 1, NULL, NULL, "A number."},
    {"period", CONFIG_DOUBLE, AT(period_s), "30", 1, 3600, "s", NULL, "A time."},
    {"budget", CONFIG_OFF_DOUBLE, AT(budget), "off", 0, 1, "ratio", NULL, "A share."},
    {"kl", CONFIG_DOUBLE, AT(kl), "0", -HUGE_VAL, HUGE_VAL, NULL, NULL, "Any number."},
    {"cores", CONFIG_DOUBLE, AT(cores), "500m", 0, 0, "cores", NULL, "Processor."},
    {"n", CONFIG_INT, AT(n), "3", -5, 1e6, NULL, NULL, "A count."},
    {"kind", CONFIG_CHOICE, AT(kind), "tanh", 0, 0, NULL, "relu|tanh", "A choice."},
    {"bytes", CONFIG_LONG, AT(bytes), "512MiB", 0, 0, "bytes", NULL, "A size."},
    {"on", CONFIG_BOOL, AT(on), "yes", 0, 0, NULL, NULL, "A switch."},
    {"sizes", CONFIG_INTS, AT(sizes), "64,64", 1, 4096, NULL, NULL, "Whole numbers."},
    {"weights", CONFIG_DOUBLES, AT(weights), "[0.3, 0.7]", 0, 0, NULL, NULL, "Numbers."},
    {"name", CONFIG_STRING, AT(name), "", 0, 0, NULL, NULL, "A text."},
    {"traces", CONFIG_TEXTS, AT(traces), "", 0, 0, NULL, NULL, "Texts."},
};
/* clang-format on */

#define SECTION(target)                                                                                                \
    {                                                                                                                  \
        "run", "A section.", KEYS, sizeof KEYS / sizeof *KEYS, target                                                  \
    }

static void check_reads_back(const struct config *c)
{
    struct values copy;
    struct config_section section = SECTION(&copy);
    struct config again;
    struct err e = {0};
    struct buf text = {0}, difference = {0};
    fuzz_must(config_init(&again, &section, 1, &e));
    config_print(c, true, &text);
    fuzz_must(config_text(&again, "printed", text.bytes, text.len, &e));
    config_difference(c, &again, "", &difference);
    fuzz_must(difference.len == 0);
    buf_finish(&text);
    buf_finish(&difference);
    config_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct values values, defaults;
    struct config_section section = SECTION(&values), untouched = SECTION(&defaults);
    struct config c, d;
    struct err e = {0};
    struct buf difference = {0};
    fuzz_must(config_init(&c, &section, 1, &e) && config_init(&d, &untouched, 1, &e));
    if (config_text(&c, "input", (const char *)bytes, n, &e)) {
        check_reads_back(&c);
    } else {
        fuzz_must(e.code == ERR_USAGE && strncmp(e.message, "input:", 6) == 0);
        config_difference(&c, &d, "", &difference);
        fuzz_must(difference.len == 0);
    }
    buf_finish(&difference);
    config_finish(&c);
    config_finish(&d);
    return 0;
}
