/* doctor: the examination as a whole, and its first part: who we are and what we may do. In: configuration. Out: findings in
 * the order in which they matter: what fails first explains what fails later. Prints nothing. */
#include "doctor.h"

#include <maestro/policyfile.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void doctor_say(struct doctor *d, enum doctor_state state, const char *subject, const char *advice, const char *format,
                ...)
{
    struct doctor_report *r = d->report;
    va_list args;
    if (r->n == DOCTOR_FINDINGS)
        return;
    struct doctor_finding *f = &r->findings[r->n++];
    f->state = state;
    snprintf(f->subject, sizeof f->subject, "%s", subject);
    snprintf(f->advice, sizeof f->advice, "%s", state == DOCTOR_GOOD || !advice ? "" : advice);
    va_start(args, format);
    vsnprintf(f->text, sizeof f->text, format, args);
    va_end(args);
    r->n_bad += state == DOCTOR_BAD;
    r->n_warnings += state == DOCTOR_WARNING;
}

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

static bool open_api(struct doctor *d)
{
    const struct live_kubernetes *k = d->config->kubernetes;
    const struct kube_config access = {.kubeconfig = or_null(k->kubeconfig),
                                       .context = or_null(k->context),
                                       .account = or_null(k->account),
                                       .user_agent = "maestro-doctor",
                                       .timeout_s = k->timeout_s};
    struct err why;
    if (kube_open(&access, &d->kube, &why))
        return true;
    doctor_say(d, DOCTOR_BAD, "kubernetes: configuration",
               "run it in a pod with a service account, or name a file: --kubernetes.kubeconfig=FILE", "%s",
               why.message);
    return false;
}

/* The server's version costs no right. */
static bool reach_api(struct doctor *d)
{
    const struct kube_call call = {.verb = KUBE_GET, .path = "/version"};
    struct kube_answer answer = {0};
    const char *version = "unknown";
    bool done = kube_do(d->kube, &call, &answer);
    if (done && json_text(answer.object.root, "gitVersion", &version, NULL))
        doctor_say(d, DOCTOR_GOOD, "kubernetes: API", NULL, "%s answers, version %s", kube_server(d->kube), version);
    else
        doctor_say(d, DOCTOR_BAD, "kubernetes: API",
                   answer.outcome == KUBE_UNAUTHORIZED
                       ? "the credentials are refused: is the token or certificate expired?"
                       : "is the address right, is the server up, does its certificate belong to the configured CA?",
                   "%s", done ? "the answer to /version cannot be read" : answer.why.message);
    kube_answer_finish(&answer);
    return done;
}

struct needed {
    const char *verb, *group, *resource, *subresource;
    bool vital;
    const char *without; /* what does not work without it */
};

static const struct needed NEEDED[] = {
    {"list", "apps", "deployments", NULL, true, "targets cannot be found"},
    {"get", "apps", "deployments", NULL, true, "a target cannot be read"},
    {"get", "apps", "deployments", "scale", true, "replicas cannot be read"},
    {"patch", "apps", "deployments", "scale", true, "nothing can be scaled; shadow works"},
    {"list", "", "pods", NULL, false, "the HPA rule, which stands in when the policy fails, sees no pods"},
    {"list", "autoscaling", "horizontalpodautoscalers", NULL, false,
     "another scaler on the same target is not noticed"},
    {"create", "", "events", NULL, false, "kubectl describe does not tell what was done"},
    {"create", "coordination.k8s.io", "leases", NULL, false, "no leader can be elected: run one replica only"},
    {"update", "coordination.k8s.io", "leases", NULL, false, "no leader can be elected: run one replica only"},
};

static void ask_right(struct doctor *d, const struct needed *n)
{
    const struct kube_right right = {n->verb, n->group, n->resource, n->subresource, d->space, NULL};
    struct kube_answer answer = {0};
    bool allowed = false;
    char subject[48], advice[320];
    snprintf(subject, sizeof subject, "right: %s %s%s%s", n->verb, n->resource, n->subresource ? "/" : "",
             n->subresource ? n->subresource : "");
    snprintf(advice, sizeof advice, "%s; give the account the Role of manifests/components (group \"%s\")", n->without,
             n->group);
    if (!kube_may(d->kube, &right, &allowed, &answer))
        doctor_say(d, DOCTOR_WARNING, subject, advice, "cannot be asked: %s", answer.why.message);
    else if (allowed)
        doctor_say(d, DOCTOR_GOOD, subject, NULL, "in namespace %s", d->space);
    else
        doctor_say(d, n->vital ? DOCTOR_BAD : DOCTOR_WARNING, subject, advice, "missing in namespace %s", d->space);
    kube_answer_finish(&answer);
}

void doctor_rights(struct doctor *d)
{
    for (size_t i = 0; i < sizeof NEEDED / sizeof *NEEDED; i++)
        ask_right(d, &NEEDED[i]);
}

static void compare(struct doctor *d, const char *what, double of_policy, double live, const char *key)
{
    char advice[160];
    snprintf(advice, sizeof advice, "set %s to %g, or train a policy with this one; active mode refuses the pair", key,
             of_policy);
    bool same = of_policy == live || of_policy <= 0;
    doctor_say(d, same ? DOCTOR_GOOD : DOCTOR_BAD, "policy", advice, "%s: trained with %g, here %g", what, of_policy,
               live);
}

void doctor_policy(struct doctor *d)
{
    const struct doctor_config *c = d->config;
    struct policy_file file = {0};
    struct err why;
    if (!c->policy[0])
        return;
    if (!policyfile_load(c->policy, &file, &why)) {
        doctor_say(d, DOCTOR_BAD, "policy", "name a policy file that this version reads", "%s", why.message);
        return;
    }
    double interval_s = d->settings.interval_s > 0 ? d->settings.interval_s : file.control.period_s;
    compare(d, "period, s", file.control.period_s, interval_s, "the interval annotation");
    compare(d, "rate window, s", file.window_s, c->prometheus->window_s, "prometheus.window_s");
    compare(d, "scrape interval, s", file.scrape_s, c->prometheus->scrape_s, "prometheus.scrape_s");
    compare(d, "latency quantile", file.quantile, c->prometheus->quantile, "prometheus.quantile");
    if (c->prometheus->window_s < 4 * c->prometheus->scrape_s)
        doctor_say(d, DOCTOR_WARNING, "policy", "a rate needs several samples: scrape more often",
                   "the rate window of %g s holds fewer than four scrapes of %g s", c->prometheus->window_s,
                   c->prometheus->scrape_s);
    policyfile_finish(&file);
}

bool doctor_examine(const struct doctor_config *config, struct doctor_report *out, struct err *e)
{
    struct doctor d = {.config = config, .report = out, .space = config->space};
    (void)e;
    memset(out, 0, sizeof *out);
    if (open_api(&d)) {
        if (!d.space[0])
            d.space = kube_namespace(d.kube);
        if (reach_api(&d))
            doctor_rights(&d);
    }
    doctor_signals(&d);
    doctor_policy(&d);
    kube_close(d.kube);
    return true;
}
