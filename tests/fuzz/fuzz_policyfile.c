/* Any bytes as a policy file: refused with a message that names the input, or whole and finite. */
#include "fuzz.h"

#include <maestro/policyfile.h>

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct policy_file file;
    struct err e = {0};
    memset(&file, 0, sizeof file);
    if (!policyfile_parse("input", bytes, n, &file, &e)) {
        fuzz_must(e.code != ERR_NONE && strncmp(e.message, "input", 5) == 0 && !file.actor_parameters);
        return 0;
    }
    fuzz_must(file.control.observation.n > 0 && file.control.actions.n > 0);
    for (size_t i = 0; i < mlp_parameter_count(&file.actor); i++)
        fuzz_must(isfinite(file.actor_parameters[i]));
    policyfile_finish(&file);
    return 0;
}
