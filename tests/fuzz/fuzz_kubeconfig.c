/* Any bytes as a kubeconfig: what is accepted can be used (a URL, a namespace, keys with their certificates, tokens that fit
 * a header); what is refused says why and leaves nothing behind. */
#include "fuzz.h"

#include <maestro/kubeconfig.h>

#include <ctype.h>
#include <string.h>

static void check_texts(const struct kubeconfig *c)
{
    fuzz_must(c->server && c->space && c->origin);
    fuzz_must(strncmp(c->server, "https://", 8) == 0 || strncmp(c->server, "http://", 7) == 0);
    fuzz_must(!strpbrk(c->server, " \t\r\n?#"));
    fuzz_must(!c->ca_pem || strstr(c->ca_pem, "-----BEGIN "));
    fuzz_must((c->certificate_pem || c->certificate_file) == (c->key_pem || c->key_file));
    fuzz_must(!c->insecure || !(c->ca_file || c->ca_pem));
    for (const char *at = c->token ? c->token : ""; *at; at++)
        fuzz_must(isgraph((unsigned char)*at));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const contexts[] = {NULL, "a", "minikube"};
    for (int i = 0; i < 3; i++) {
        struct kubeconfig c = {0};
        struct err e = {0};
        if (kubeconfig_parse("/nowhere/config", (const char *)bytes, n, contexts[i], &c, &e))
            check_texts(&c);
        else
            fuzz_must(e.code != ERR_NONE && *e.message && !c.server && !c.token && !c.origin);
        kubeconfig_finish(&c);
    }
    return 0;
}
