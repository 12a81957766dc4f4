/* outcome: names of what became of decisions, and the final reason of a tick. Tables only. */
#include <maestro/outcome.h>

#include <string.h>

static const struct {
    const char *name, *words;
} OUTCOME_TEXTS[OUTCOMES] = {
    [OUTCOME_KEPT] = {"kept", "nothing was to be changed"},
    [OUTCOME_WRITTEN] = {"written", "written"},
    [OUTCOME_SHADOW] = {"shadow", "not written: the target is only watched"},
    [OUTCOME_DRY_RUN] = {"dry_run", "not written: the API server would have taken it"},
    [OUTCOME_OFF] = {"off", "not looked at: the mode is off"},
    [OUTCOME_SETTINGS] = {"settings_refused", "held: no settings of it make sense"},
    [OUTCOME_POLICY] = {"policy_refused", "held: its policy cannot be used"},
    [OUTCOME_UNREAD] = {"not_read", "held: it could not be looked at"},
    [OUTCOME_AT_ZERO] = {"at_zero", "left alone: somebody scaled it to zero"},
    [OUTCOME_SCALER] = {"another_scaler", "stepped back: another scaler acts on it"},
    [OUTCOME_FOREIGN] = {"foreign_write", "stepped back: somebody else changed the count"},
    [OUTCOME_STANDBY] = {"not_leader", "not written: another process is the leader"},
    [OUTCOME_DEADLINE] = {"lease_deadline", "not written: the lease's deadline had passed"},
    [OUTCOME_QUEUE] = {"write_limit", "not written: over the limit of writes per second"},
    [OUTCOME_JOURNAL] = {"journal_failed", "not scaled down: the journal cannot be written"},
    [OUTCOME_CONFLICT] = {"conflict", "not written: the object had changed since it was read"},
    [OUTCOME_GONE] = {"gone", "not written: the target is no more"},
    [OUTCOME_FORBIDDEN] = {"forbidden", "not written: a right is missing"},
    [OUTCOME_REFUSED] = {"refused", "not written: the API server refuses it"},
    [OUTCOME_THROTTLED] = {"throttled", "not written: the API server asks for patience"},
    [OUTCOME_FAILED] = {"write_failed", "not written: the API server gave no usable answer"},
};

const char *outcome_name(enum outcome outcome)
{
    return OUTCOME_TEXTS[outcome].name;
}

const char *outcome_words(enum outcome outcome)
{
    return OUTCOME_TEXTS[outcome].words;
}

bool outcome_parse(const char *name, enum outcome *out)
{
    for (int i = 0; i < OUTCOMES; i++)
        if (strcmp(OUTCOME_TEXTS[i].name, name) == 0) {
            *out = (enum outcome)i;
            return true;
        }
    return false;
}

int final_reason(enum guard_reason reason, enum outcome outcome)
{
    bool stood = outcome == OUTCOME_KEPT || outcome == OUTCOME_WRITTEN;
    return stood ? (int)reason : (int)GUARD_REASONS + (int)outcome;
}

const char *final_reason_name(int final)
{
    return final < (int)GUARD_REASONS ? guard_reason_name((enum guard_reason) final)
                                      : outcome_name((enum outcome)(final - (int)GUARD_REASONS));
}
