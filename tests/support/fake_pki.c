/* fake_pki: keys and certificates by GnuTLS, P-256, valid for a day around now (or until yesterday). */
#include "fake_pki.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400

#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "fake_pki: %s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

struct authority {
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
};

struct wish {
    const char *name;   /* CN, and DNS name where it has a dot or is localhost */
    bool of_server;     /* else of a client */
    bool with_loopback; /* 127.0.0.1 and localhost are names too */
    bool expired;
};

static gnutls_x509_privkey_t make_key(void)
{
    gnutls_x509_privkey_t key;
    must(gnutls_x509_privkey_init(&key) == 0);
    must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) == 0);
    return key;
}

static void write_file(const char *path, const gnutls_datum_t *pem)
{
    FILE *file = fopen(path, "w");
    must(file && fwrite(pem->data, 1, pem->size, file) == pem->size && fclose(file) == 0);
}

static void write_crt(const char *folder, const char *name, gnutls_x509_crt_t crt, char path[128])
{
    gnutls_datum_t pem;
    snprintf(path, 128, "%s/%s.pem", folder, name);
    must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem) == 0);
    write_file(path, &pem);
    gnutls_free(pem.data);
}

static void write_key(const char *folder, const char *name, gnutls_x509_privkey_t key, char path[128])
{
    gnutls_datum_t pem;
    snprintf(path, 128, "%s/%s.pem", folder, name);
    must(gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem) == 0);
    write_file(path, &pem);
    gnutls_free(pem.data);
}

static gnutls_x509_crt_t make_crt(const struct wish *w, gnutls_x509_privkey_t key)
{
    static unsigned char serial[4] = {1};
    static const unsigned char loopback[4] = {127, 0, 0, 1};
    gnutls_x509_crt_t crt;
    const char *wrong = NULL;
    char dn[128];
    time_t now = time(NULL);
    serial[3]++;
    snprintf(dn, sizeof dn, "CN=%s", w->name);
    must(gnutls_x509_crt_init(&crt) == 0 && gnutls_x509_crt_set_version(crt, 3) == 0);
    must(gnutls_x509_crt_set_serial(crt, serial, sizeof serial) == 0 && gnutls_x509_crt_set_dn(crt, dn, &wrong) == 0);
    must(gnutls_x509_crt_set_key(crt, key) == 0);
    must(gnutls_x509_crt_set_activation_time(crt, now - 2 * DAY_S) == 0);
    must(gnutls_x509_crt_set_expiration_time(crt, w->expired ? now - DAY_S : now + DAY_S) == 0);
    if (w->of_server)
        must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, w->name, (unsigned)strlen(w->name),
                                                  GNUTLS_FSAN_SET) == 0);
    if (w->with_loopback)
        must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, loopback, 4, GNUTLS_FSAN_APPEND) == 0);
    return crt;
}

static struct authority make_authority(const char *folder, const char *name, char path[128])
{
    struct authority a = {.key = make_key()};
    a.crt = make_crt(&(struct wish){.name = name}, a.key);
    must(gnutls_x509_crt_set_basic_constraints(a.crt, 1, -1) == 0);
    must(gnutls_x509_crt_set_key_usage(a.crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN) == 0);
    must(gnutls_x509_crt_sign2(a.crt, a.crt, a.key, GNUTLS_DIG_SHA256, 0) == 0);
    write_crt(folder, name, a.crt, path);
    return a;
}

static void issue(const char *folder, const char *file, const struct wish *w, const struct authority *a,
                  gnutls_x509_privkey_t key, char path[128])
{
    gnutls_x509_crt_t crt = make_crt(w, key);
    must(gnutls_x509_crt_set_key_purpose_oid(crt, w->of_server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT,
                                             0) == 0);
    must(gnutls_x509_crt_sign2(crt, a->crt, a->key, GNUTLS_DIG_SHA256, 0) == 0);
    write_crt(folder, file, crt, path);
    gnutls_x509_crt_deinit(crt);
}

static void finish_authority(const struct authority *a)
{
    gnutls_x509_crt_deinit(a->crt);
    gnutls_x509_privkey_deinit(a->key);
}

void fake_pki_make(const char *folder, struct fake_pki *out)
{
    struct authority ca = make_authority(folder, "ca", out->ca);
    struct authority other = make_authority(folder, "other_ca", out->other_ca);
    gnutls_x509_privkey_t server = make_key(), client = make_key();
    issue(folder, "server", &(struct wish){.name = "localhost", .of_server = true, .with_loopback = true}, &ca, server,
          out->server);
    issue(folder, "elsewhere", &(struct wish){.name = "elsewhere.test", .of_server = true}, &ca, server,
          out->elsewhere);
    issue(folder, "expired",
          &(struct wish){.name = "localhost", .of_server = true, .with_loopback = true, .expired = true}, &ca, server,
          out->expired);
    issue(folder, "client", &(struct wish){.name = "operator"}, &ca, client, out->client);
    write_key(folder, "server_key", server, out->server_key);
    write_key(folder, "client_key", client, out->client_key);
    gnutls_x509_privkey_deinit(server);
    gnutls_x509_privkey_deinit(client);
    finish_authority(&ca);
    finish_authority(&other);
}
