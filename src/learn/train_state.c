/* train_state: a training run as a checkpoint and back. In: the running struct. Out: folder/checkpoint, replaced as a whole,
 * or a run that goes on bit for bit. The parts are listed once each for writing and for reading. */
#include "train_run.h"

#include <maestro/clock.h>
#include <maestro/file.h>

#include <stdio.h>
#include <string.h>

static const size_t CHECKPOINT_LIMIT = (size_t)1 << 30;

static size_t first_obs_bytes(const struct train *t)
{
    return (size_t)t->rollout.n_envs * (size_t)t->rollout.obs_dim * sizeof(float);
}

static size_t first_mask_bytes(const struct train *t)
{
    return (size_t)t->rollout.n_envs * (size_t)t->rollout.n_actions;
}

static size_t stream_bytes(const struct train *t)
{
    return (size_t)t->rollout.n_envs * sizeof *t->action_streams;
}

/* Parts that are written by a function into room made for them; a room is NULL when memory ran out. */
static void put_states(struct train *t)
{
    struct buf *b = &t->block;
    void *room = checkpoint_room(b, "ppo", ppo_state_bytes(&t->ppo));
    if (room)
        ppo_state_get(&t->ppo, room);
    room = checkpoint_room(b, "envs", vecenv_state_bytes(&t->envs));
    if (room)
        vecenv_state_get(&t->envs, room);
    room = checkpoint_room(b, "normaliser", normaliser_state_bytes(&t->normaliser));
    if (room)
        normaliser_state_get(&t->normaliser, room);
    room = checkpoint_room(b, "rewards", reward_normaliser_state_bytes(&t->rewards));
    if (room)
        reward_normaliser_state_get(&t->rewards, room);
}

bool train_checkpoint_write(struct train *t, struct err *e)
{
    char path[RUN_PATH];
    run_path(path, t->setup.config.out, "checkpoint");
    if (!run_files_flush(&t->files, true, e))
        return false;
    struct buf *b = &t->block;
    const char *kernel = ppo_kernel(&t->ppo);
    t->now.elapsed_s = train_elapsed_s(t);
    t->now.marks = t->files.marks;
    checkpoint_begin(b);
    checkpoint_put(b, "version", TRAIN_VERSION, sizeof TRAIN_VERSION);
    checkpoint_put(b, "kernel", kernel, strlen(kernel) + 1);
    checkpoint_put(b, "config", t->setup.config_text, strlen(t->setup.config_text) + 1);
    checkpoint_put(b, "counters", &t->now, sizeof t->now);
    checkpoint_put(b, "streams", t->action_streams, stream_bytes(t));
    checkpoint_put(b, "obs", t->rollout.obs, first_obs_bytes(t));
    checkpoint_put(b, "masks", t->rollout.masks, first_mask_bytes(t));
    put_states(t); // what did not fit is said by checkpoint_end
    if (!checkpoint_end(b, e) || !file_write_atomic(path, b->bytes, b->len, e))
        return false;
    t->checkpoint_at_s = clock_monotonic_s();
    t->checkpoint_steps = t->now.steps;
    return true;
}

bool train_checkpoint_read(const char *folder, char *title, struct buf *bytes, struct checkpoint *c, struct err *e)
{
    run_path(title, folder, "checkpoint");
    if (!file_exists(folder))
        return err_set(e, ERR_USAGE, "%s: there is no such run to resume", folder);
    if (!file_exists(title))
        return err_set(e, ERR_USAGE, "%s: the run was stopped before its first checkpoint; remove it and start again",
                       folder);
    if (!file_read(title, CHECKPOINT_LIMIT, bytes, e) || !checkpoint_parse(c, title, bytes->bytes, bytes->len, e))
        return false;
    const struct checkpoint_part *version = checkpoint_find(c, "version");
    if (!version || version->n != sizeof TRAIN_VERSION || memcmp(version->bytes, TRAIN_VERSION, version->n) != 0)
        return err_set(e, ERR_FORMAT, "%s: written by another version of maestro than " TRAIN_VERSION, title);
    return true;
}

/* Copies a part into room taken from the checkpoint's own copy: sizes are checked before anything is overwritten. */
static const void *part_of(const struct checkpoint *c, const char *name, size_t n, struct err *e)
{
    const struct checkpoint_part *part = checkpoint_find(c, name);
    if (part && part->n == n)
        return part->bytes;
    err_set(e, ERR_FORMAT, "%s: checkpoint part \"%s\" is missing or not of %zu bytes", c->title, name, n);
    return NULL;
}

static bool apply_states(struct train *t, const struct checkpoint *c, struct err *e)
{
    size_t n_ppo = ppo_state_bytes(&t->ppo);
    const void *ppo = part_of(c, "ppo", n_ppo, e);
    const void *envs = part_of(c, "envs", vecenv_state_bytes(&t->envs), e);
    const void *normaliser = part_of(c, "normaliser", normaliser_state_bytes(&t->normaliser), e);
    const void *rewards = part_of(c, "rewards", reward_normaliser_state_bytes(&t->rewards), e);
    if (!ppo || !envs || !normaliser || !rewards)
        return false;
    vecenv_state_set(&t->envs, envs);
    normaliser_state_set(&t->normaliser, normaliser);
    reward_normaliser_state_set(&t->rewards, rewards);
    return ppo_state_set(&t->ppo, ppo, n_ppo, e);
}

bool train_checkpoint_apply(struct train *t, const struct checkpoint *c, struct err *e)
{
    if (!checkpoint_copy(c, "counters", &t->now, sizeof t->now, e) ||
        !checkpoint_copy(c, "streams", t->action_streams, stream_bytes(t), e) ||
        !checkpoint_copy(c, "obs", t->rollout.obs, first_obs_bytes(t), e) ||
        !checkpoint_copy(c, "masks", t->rollout.masks, first_mask_bytes(t), e) || !apply_states(t, c, e))
        return false;
    t->files.marks = t->now.marks;
    t->files.marks.events_name[RUN_EVENTS_NAME - 1] = '\0';
    t->checkpoint_steps = t->now.steps;
    if (strchr(t->files.marks.events_name, '/'))
        return err_set(e, ERR_FORMAT, "%s: corrupt checkpoint: event file outside the folder", c->title);
    return run_files_cut(&t->files, e);
}

bool train_resume_text(const char *folder, struct buf *out, struct err *e)
{
    CLEANUP_BUF struct buf bytes = {0};
    char title[RUN_PATH];
    struct checkpoint c;
    if (!train_checkpoint_read(folder, title, &bytes, &c, e))
        return false;
    const struct checkpoint_part *text = checkpoint_find(&c, "config");
    if (!text || text->n == 0 || text->bytes[text->n - 1] != '\0')
        return err_set(e, ERR_FORMAT, "%s: checkpoint has no part \"config\"", title);
    buf_append(out, text->bytes, text->n - 1);
    return buf_ok(out, e);
}
