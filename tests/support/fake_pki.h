/* fake_pki: certificates for tests, made in a second in a folder of the test's own: an authority, another one, and what they
 * signed. PEM files: ca, other_ca, server (127.0.0.1, localhost), server_key, elsewhere (elsewhere.test only), expired, client,
 * client_key; all server certificates have the key server_key. What cannot be made aborts the test. */
#ifndef TESTS_FAKE_PKI_H
#define TESTS_FAKE_PKI_H

struct fake_pki {
    char ca[128], other_ca[128], server[128], server_key[128], elsewhere[128], expired[128], client[128],
        client_key[128];
};

void fake_pki_make(const char *folder, struct fake_pki *out);

#endif
