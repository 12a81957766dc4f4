/* names: one is explained in the guide, one is not. */
static const char *const REASON_NAMES[] = {
    [GUARD_REASON_STEADY] = "steady",
    [GUARD_REASON_MIN] = "min_replicas",
};
