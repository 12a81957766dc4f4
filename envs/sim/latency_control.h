/* latency_control: a queue that is known exactly, run beside a pod on the same arrivals and demands: one server, first come
 * first served, M/G/1. Its workload as each request finds it says how busy this stretch of arrivals was; how often it should be
 * so busy, Pollaczek and Khinchine say. Requests then count by how often such moments come, not by how often they came
 * (post-stratification). Private to the measurement of latency tables. */
#ifndef LATENCY_CONTROL_H
#define LATENCY_CONTROL_H

#define CONTROL_STRATA 32 /* 0: the server is idle */
#define CONTROL_GRID 256

struct latency_control {
    double step_s;                       /* of the grid of workloads */
    double within[CONTROL_GRID];         /* probability of a workload up to k steps */
    unsigned char stratum[CONTROL_GRID]; /* of workloads in (k, k + 1] steps */
    double share[CONTROL_STRATA];        /* probability of a stratum */
};

/* job_s[n]: an even sample of the jobs, in seconds of the server's work; load < 1. */
void latency_control_solve(const float *job_s, int n, double load, struct latency_control *out);

int latency_control_stratum(const struct latency_control *c, double workload_s);

/* Weight of a request of each stratum, given how many were seen of each, n in all. Sum over requests: n. Strata with next to
 * none go with their neighbours. */
void latency_control_weigh(const struct latency_control *c, const int *seen /* [CONTROL_STRATA] */,
                           double *weight /* [CONTROL_STRATA] */);

#endif
