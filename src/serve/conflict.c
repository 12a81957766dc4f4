/* conflict: a comparison of what is there with what we left. Knows no fleet; time is handed in. */
#include <maestro/conflict.h>

static bool is_foreign(struct conflict *c, int replicas, bool acting)
{
    bool differs = c->known && replicas >= 0 && replicas != c->expected;
    if (replicas >= 0) {
        c->known = true;
        c->expected = replicas;
    }
    return differs && acting;
}

enum conflict_change conflict_look(struct conflict *c, int replicas, bool scaler, bool acting, double now_s,
                                   double cooldown_s)
{
    bool scaler_before = c->scaler;
    c->scaler = scaler;
    if (is_foreign(c, replicas, acting)) {
        bool again = c->had_foreign;
        c->had_foreign = true;
        c->foreign_s = now_s;
        c->found = replicas;
        if (!again)
            return CONFLICT_FOREIGN;
    }
    if (scaler && !scaler_before)
        return CONFLICT_SCALER;
    bool ended = c->had_foreign && now_s - c->foreign_s >= cooldown_s;
    if (ended)
        c->had_foreign = false;
    return ended || (scaler_before && !scaler) ? CONFLICT_ENDED : CONFLICT_NONE;
}

void conflict_wrote(struct conflict *c, int replicas)
{
    c->known = true;
    c->expected = replicas;
}

void conflict_unsure(struct conflict *c)
{
    c->known = false;
}

bool conflict_is_foreign(const struct conflict *c)
{
    return c->had_foreign;
}
