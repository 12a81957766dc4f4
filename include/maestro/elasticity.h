/* elasticity: the elasticity metrics of SPEC RG ("Ready for Rain? A View from SPEC Research on the Future of Cloud
 * Metrics", SPEC-RG-2016-01; N. Herbst, thesis 2018) from a supply and a demand curve: s pods were there, r were needed.
 *
 *     theta_u = 100/T sum max(r - s, 0)/r dt      theta_o = 100/T sum max(s - r, 0)/r dt
 *     tau_u   = share of time with s < r, percent  tau_o   = with s > r
 *     instability = 100/T sum min(|sgn ds - sgn dr|, 1) dt, the changes from one period to the next
 *     jitter  = (changes of s - changes of r) / T, per minute; < 0 rigid, > 0 nervous */
#ifndef MAESTRO_ELASTICITY_H
#define MAESTRO_ELASTICITY_H

struct elasticity {
    double theta_u, theta_o; /* percent of the demand */
    double tau_u, tau_o;     /* percent of the time */
    double instability;      /* percent of the time */
    double jitter;           /* per minute */
};

/* supply, demand: [n] one value per period of period_s seconds; demand > 0. n = 0 gives NaN. */
struct elasticity elasticity_of(const double *supply, const double *demand, int n, double period_s);

#endif
