/* Credentials: every form that minikube, kind and kubeadm write, files that complete each other, the service account of a
 * pod and its token's rotation, and each refusal with the sentence that names user and file. */
#include <maestro/kubeconfig.h>

#include "folder.h"
#include "suite.h"

#include <maestro/base64.h>
#include <maestro/clock.h>
#include <maestro/file.h>
#include <string.h>

/* "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n" and the same of a key */
#define CERTIFICATE_PEM "-----BEGIN CERTIFICATE-----\nQQ==\n-----END CERTIFICATE-----\n"
#define CERTIFICATE_DATA "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tClFRPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
#define KEY_PEM "-----BEGIN PRIVATE KEY-----\nQUE=\n-----END PRIVATE KEY-----\n"
#define KEY_DATA "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tClFVRT0KLS0tLS1FTkQgUFJJVkFURSBLRVktLS0tLQo="

static char folder[FOLDER_BYTES];
static struct kubeconfig config;
static struct err e;

static const char *at(const char *name)
{
    static char paths[6][256];
    static int next;
    char *path = paths[next++ % 6];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    struct err why = {0};
    ck_assert_msg(file_write_atomic(at(name), text, strlen(text), &why), "%s", why.message);
}

static void set_up(void)
{
    folder_make(folder);
    e = (struct err){0};
    unsetenv("KUBECONFIG");
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
    setenv("HOME", folder, 1);
}

static void tear_down(void)
{
    kubeconfig_finish(&config);
    folder_remove(folder);
}

static void expect_loaded(bool done)
{
    ck_assert_msg(done, "%s", e.message);
}

static void expect_refused(bool done, enum err_code code, const char *part)
{
    ck_assert(!done);
    ck_assert_msg(strstr(e.message, part), "'%s' is not in: %s", part, e.message);
    ck_assert_int_eq(e.code, code);
    ck_assert_ptr_null(config.server); // untouched
}

/* One context c: cluster body, user body. */
static bool parse(const char *cluster, const char *user)
{
    char text[4096];
    int n = snprintf(text, sizeof text,
                     "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: k\n  cluster: %s\nusers:\n"
                     "- name: u\n  user: %s\ncontexts:\n- name: c\n  context: {cluster: k, user: u}\n",
                     cluster, user);
    ck_assert_int_lt(n, (int)sizeof text);
    kubeconfig_finish(&config);
    return kubeconfig_parse(at("config"), text, (size_t)n, NULL, &config, &e);
}

/* As "minikube start" leaves it: paths, extensions, quoted nothing. */
static const char MINIKUBE[] = "apiVersion: v1\n"
                               "clusters:\n"
                               "- cluster:\n"
                               "    certificate-authority: ca.crt\n"
                               "    extensions:\n"
                               "    - extension:\n"
                               "        last-update: Mon, 01 Jun 2026 10:00:00 UTC\n"
                               "        provider: minikube.sigs.k8s.io\n"
                               "        version: v1.37.0\n"
                               "      name: cluster_info\n"
                               "    server: https://192.168.49.2:8443\n"
                               "  name: minikube\n"
                               "contexts:\n"
                               "- context:\n"
                               "    cluster: minikube\n"
                               "    namespace: default\n"
                               "    user: minikube\n"
                               "  name: minikube\n"
                               "current-context: minikube\n"
                               "kind: Config\n"
                               "users:\n"
                               "- name: minikube\n"
                               "  user:\n"
                               "    client-certificate: profiles/client.crt\n"
                               "    client-key: ABSOLUTE/client.key\n";

START_TEST(minikube_names_files)
{
    char text[2048];
    const char *key = strstr(MINIKUBE, "ABSOLUTE");
    set_up();
    snprintf(text, sizeof text, "%.*s%s%s", (int)(key - MINIKUBE), MINIKUBE, folder, key + strlen("ABSOLUTE"));
    put("config", text);
    put("ca.crt", CERTIFICATE_PEM);
    put("client.key", KEY_PEM);
    ck_assert(file_make_folder(at("profiles"), &e));
    expect_refused(kubeconfig_load(at("config"), NULL, &config, &e), ERR_IO, "client-certificate of user 'minikube'");
    put("profiles/client.crt", CERTIFICATE_PEM);
    expect_loaded(kubeconfig_load(at("config"), NULL, &config, &e));
    ck_assert_str_eq(config.server, "https://192.168.49.2:8443");
    ck_assert_str_eq(config.ca_file, at("ca.crt"));
    ck_assert_str_eq(config.certificate_file, at("profiles/client.crt"));
    ck_assert_str_eq(config.key_file, at("client.key"));
    ck_assert_str_eq(config.space, "default");
    ck_assert_ptr_null(config.token);
    ck_assert_msg(strstr(config.origin, "user 'minikube' of "), "%s", config.origin);
    tear_down();
}
END_TEST

START_TEST(kind_and_kubeadm_carry_data)
{
    set_up();
    expect_loaded(parse("{server: 'https://127.0.0.1:6443/', certificate-authority: missing.crt,\n"
                        "    certificate-authority-data: " CERTIFICATE_DATA ", tls-server-name: kubernetes}",
                        "{client-certificate-data: " CERTIFICATE_DATA ", client-key-data: " KEY_DATA
                        ",\n    client-key: missing.key}"));
    ck_assert_str_eq(config.server, "https://127.0.0.1:6443"); // no slash at the end
    ck_assert_str_eq(config.ca_pem, CERTIFICATE_PEM);
    ck_assert_str_eq(config.certificate_pem, CERTIFICATE_PEM);
    ck_assert_str_eq(config.key_pem, KEY_PEM);
    ck_assert_ptr_null(config.ca_file); // data wins over the path
    ck_assert_ptr_null(config.key_file);
    ck_assert_str_eq(config.server_name, "kubernetes");
    ck_assert(!config.insecure);
    tear_down();
}
END_TEST

START_TEST(tokens_passwords_proxies)
{
    set_up();
    expect_loaded(parse("{server: 'http://localhost:8001', proxy-url: 'http://proxy:3128'}", "{token: abc.def}"));
    ck_assert_str_eq(config.token, "abc.def");
    ck_assert_str_eq(config.proxy_url, "http://proxy:3128");
    ck_assert(!kubeconfig_token(&config, clock_monotonic_s() + 1e6, true)); // no file, nothing to read

    put("t", "  \n");
    expect_refused(parse("{server: 'https://x'}", "{token: a, tokenFile: t}"), ERR_FORMAT, "tokenFile of user 'u'");
    put("t", "from-file\n");
    expect_loaded(parse("{server: 'https://x'}", "{token: a, tokenFile: t}"));
    ck_assert_str_eq(config.token, "from-file");
    ck_assert_str_eq(config.token_file, at("t"));

    expect_loaded(parse("{server: 'https://x', insecure-skip-tls-verify: true}", "{username: me, password: 'p w'}"));
    ck_assert(config.insecure);
    ck_assert_str_eq(config.username, "me");
    ck_assert_str_eq(config.password, "p w");
    tear_down();
}
END_TEST

START_TEST(json_is_read_too)
{
    static const char text[] =
        "{\"kind\": \"Config\", \"current-context\": \"c\", \"clusters\": [{\"name\": \"k\", \"cluster\": "
        "{\"server\": \"https://x\"}}], \"contexts\": [{\"name\": \"c\", \"context\": {\"cluster\": \"k\", "
        "\"namespace\": \"shop\"}}], \"users\": null}";
    set_up();
    expect_loaded(kubeconfig_parse("view", text, sizeof text - 1, NULL, &config, &e));
    ck_assert_str_eq(config.space, "shop");
    ck_assert_msg(strstr(config.origin, "names no user"), "%s", config.origin);
    tear_down();
}
END_TEST

START_TEST(programs_are_refused_with_advice)
{
    set_up();
    expect_refused(parse("{server: 'https://x'}", "{exec: {command: aws, args: [eks]}}"), ERR_USAGE,
                   "the program 'aws'");
    ck_assert_ptr_nonnull(strstr(e.message, "user 'u'"));
    ck_assert_ptr_nonnull(strstr(e.message, at("config")));
    ck_assert_ptr_nonnull(strstr(e.message, "kubectl create token"));
    expect_refused(parse("{server: 'https://x'}", "{auth-provider: {name: gcp}}"), ERR_USAGE, "auth-provider 'gcp'");
    ck_assert_ptr_nonnull(strstr(e.message, "kubectl create token"));
    tear_down();
}
END_TEST

START_TEST(nonsense_is_refused_by_name)
{
    static const struct {
        const char *cluster, *user, *part;
    } rows[] = {
        {"{}", "{}", "server of cluster 'k' is missing"},
        {"{server: ''}", "{}", "server of cluster 'k' is missing"},
        {"{server: '10.0.0.1:6443'}", "{}", "https:// or http://"},
        {"{server: 'https:///'}", "{}", "names no host"},
        {"{server: 'http://'}", "{}", "names no host"},
        {"{server: 'https://:6443'}", "{}", "names no host"},
        {"{server: 'https://a b'}", "{}", "blanks"},
        {"{server: 'https://x', certificate-authority-data: '%%'}", "{}", "certificate-authority-data of cluster 'k'"},
        {"{server: 'https://x', certificate-authority-data: QUJD}", "{}", "holds no PEM text"},
        {"{server: 'https://x', insecure-skip-tls-verify: true, certificate-authority-data: " CERTIFICATE_DATA "}",
         "{}", "contradicts"},
        {"{server: 'https://x'}", "{client-certificate-data: " CERTIFICATE_DATA "}",
         "client-key of user 'u' is missing"},
        {"{server: 'https://x'}", "{client-key-data: " KEY_DATA "}", "client-certificate of user 'u' is missing"},
        {"{server: 'https://x'}", "{token: t, as: 'system:serviceaccount:demo:limited'}", "as of user 'u' asks for"},
        {"{server: 'https://x'}", "{token: t, as-groups: [viewers]}", "as-groups of user 'u' asks for"},
        {"{server: 'https://x'}", "{token: 'a b'}", "token of user 'u' holds blanks"},
        {"{server: 'https://x'}", "{token: \"a\\nX: y\"}", "token of user 'u' holds blanks"},
    };
    set_up();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_refused(parse(rows[i].cluster, rows[i].user), ERR_USAGE, rows[i].part);
    tear_down();
}
END_TEST

#define TWO_CONTEXTS                                                                                                   \
    "clusters: [{name: k, cluster: {server: 'https://one'}}]\n"                                                        \
    "contexts: [{name: a, context: {cluster: k}}, {name: b, context: {cluster: nowhere}},\n"                           \
    "  {name: d, context: {cluster: k, user: nobody}}]\n"

START_TEST(contexts_are_chosen)
{
    static const char text[] = TWO_CONTEXTS;
    set_up();
    expect_refused(kubeconfig_parse("f", text, sizeof text - 1, NULL, &config, &e), ERR_USAGE,
                   "current-context is not set: name a context (there are: a, b, d)");
    expect_refused(kubeconfig_parse("f", text, sizeof text - 1, "c", &config, &e), ERR_USAGE, "no context 'c'");
    expect_refused(kubeconfig_parse("f", text, sizeof text - 1, "b", &config, &e), ERR_USAGE, "the cluster 'nowhere'");
    expect_refused(kubeconfig_parse("f", text, sizeof text - 1, "d", &config, &e), ERR_USAGE, "the user 'nobody'");
    expect_loaded(kubeconfig_parse("f", text, sizeof text - 1, "a", &config, &e));
    ck_assert_str_eq(config.server, "https://one");
    tear_down();
}
END_TEST

START_TEST(the_first_file_wins)
{
    char paths[600];
    set_up();
    ck_assert(file_make_folder(at("sub"), &e));
    put("sub/token", "deep");
    put("one", "current-context: c\n"
               "clusters: [{name: k, cluster: {server: 'https://one'}}]\n");
    put("sub/two", "current-context: other\n"
                   "clusters: [{name: k, cluster: {server: 'https://two'}}]\n"
                   "users: [{name: u, user: {tokenFile: token}}]\n"
                   "contexts: [{name: c, context: {cluster: k, user: u}}]\n");
    snprintf(paths, sizeof paths, "%s::%s:%s", at("missing"), at("one"), at("sub/two"));
    setenv("KUBECONFIG", paths, 1);
    expect_loaded(kubeconfig_find(&(struct kubeconfig_wish){0}, &config, &e));
    ck_assert_str_eq(config.server, "https://one");
    ck_assert_str_eq(config.token, "deep"); // relative to the file that names it
    kubeconfig_finish(&config);
    setenv("KUBECONFIG", at("missing"), 1);
    expect_refused(kubeconfig_find(&(struct kubeconfig_wish){0}, &config, &e), ERR_USAGE, "no such kubeconfig file");
    tear_down();
}
END_TEST

START_TEST(places_are_tried_in_order)
{
    struct kubeconfig_wish wish = {0};
    set_up();
    expect_refused(kubeconfig_find(&wish, &config, &e), ERR_USAGE, "no Kubernetes configuration");
    setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
    expect_refused(kubeconfig_find(&wish, &config, &e), ERR_USAGE, "a pod without a token: /var/run/secrets/");
    unsetenv("KUBERNETES_SERVICE_HOST");
    ck_assert(file_make_folder(at(".kube"), &e));
    put(".kube/config", "current-context: c\nclusters: [{name: k, cluster: {server: 'https://home'}}]\n"
                        "contexts: [{name: c, context: {cluster: k}}]\n");
    expect_loaded(kubeconfig_find(&wish, &config, &e));
    ck_assert_str_eq(config.server, "https://home");
    kubeconfig_finish(&config);

    setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    wish.account = folder;
    put("token", "pod-token\n");
    put("ca.crt", CERTIFICATE_PEM);
    put("namespace", "maestro\n");
    expect_loaded(kubeconfig_find(&wish, &config, &e));
    ck_assert_str_eq(config.server, "https://10.96.0.1:443");
    ck_assert_str_eq(config.token, "pod-token");
    ck_assert_str_eq(config.ca_file, at("ca.crt"));
    ck_assert_str_eq(config.space, "maestro");
    kubeconfig_finish(&config);

    setenv("KUBECONFIG", at(".kube/config"), 1);
    expect_loaded(kubeconfig_find(&wish, &config, &e));
    ck_assert_str_eq(config.server, "https://home");
    tear_down();
}
END_TEST

START_TEST(an_account_over_ipv6)
{
    set_up();
    put("token", "t");
    setenv("KUBERNETES_SERVICE_PORT", "6443", 1);
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    expect_loaded(kubeconfig_account(folder, &config, &e));
    ck_assert_str_eq(config.server, "https://[fd00::1]:6443");
    ck_assert_str_eq(config.space, "default"); // no file says another
    ck_assert_ptr_null(config.ca_file);
    kubeconfig_finish(&config);
    ck_assert_int_eq(unlink(at("token")), 0);
    expect_refused(kubeconfig_account(folder, &config, &e), ERR_IO, at("token"));
    unsetenv("KUBERNETES_SERVICE_HOST");
    expect_refused(kubeconfig_account(folder, &config, &e), ERR_USAGE, "not in a pod");
    tear_down();
}
END_TEST

START_TEST(the_token_is_read_each_minute)
{
    set_up();
    put("token", "old");
    setenv("KUBERNETES_SERVICE_HOST", "h", 1);
    setenv("KUBERNETES_SERVICE_PORT", "1", 1);
    expect_loaded(kubeconfig_account(folder, &config, &e));
    double t = config.token_read_s;
    put("token", "new");
    ck_assert(!kubeconfig_token(&config, t + 59, false));
    ck_assert_str_eq(config.token, "old");
    ck_assert(kubeconfig_token(&config, t + 60, false));
    ck_assert_str_eq(config.token, "new");
    put("token", "newer");
    ck_assert(kubeconfig_token(&config, t + 61, true)); // at once
    ck_assert(!kubeconfig_token(&config, t + 62, true));
    put("token", "two words");
    ck_assert(!kubeconfig_token(&config, t + 200, false)); // garbage leaves the old one
    ck_assert_int_eq(unlink(at("token")), 0);
    ck_assert(!kubeconfig_token(&config, t + 400, false));
    ck_assert_str_eq(config.token, "newer");
    tear_down();
}
END_TEST

START_TEST(base64_there_and_back)
{
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"},
                                          {"\xff\xfe\xfd>?", "//79Pj8="}};
    static const char *const bad[] = {"Z", "Zg=", "Zg===", "Zm8==", "Zh==", "Z*==", "Zg==Zg==", "====", "=", "Zm9v="};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = {0}, back = {0};
        base64_encode(&out, rows[i][0], strlen(rows[i][0]));
        buf_append(&out, "", 0);
        ck_assert_str_eq(out.len ? out.bytes : "", rows[i][1]);
        ck_assert(base64_decode(&back, rows[i][1], strlen(rows[i][1])));
        ck_assert_str_eq(back.len ? back.bytes : "", rows[i][0]);
        buf_finish(&out);
        buf_finish(&back);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buf out = {0};
        ck_assert_msg(!base64_decode(&out, bad[i], strlen(bad[i])), "accepted: %s", bad[i]);
        buf_finish(&out);
    }
    struct buf out = {0};
    ck_assert(base64_decode(&out, "Zm9v\r\n YmE", 10)); // lines, and no padding
    ck_assert_str_eq(out.bytes, "fooba");
    buf_finish(&out);
}
END_TEST

SUITE("kubeconfig", minikube_names_files, kind_and_kubeadm_carry_data, tokens_passwords_proxies, json_is_read_too,
      programs_are_refused_with_advice, nonsense_is_refused_by_name, contexts_are_chosen, the_first_file_wins,
      places_are_tried_in_order, an_account_over_ipv6, the_token_is_read_each_minute, base64_there_and_back)
