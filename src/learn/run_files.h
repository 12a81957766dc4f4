/* run_files: the appended files of a run folder. All rows go through buffers that are reserved at the start. */
#ifndef LEARN_RUN_FILES_H
#define LEARN_RUN_FILES_H

#include <maestro/buf.h>
#include <maestro/csv.h>
#include <maestro/err.h>
#include <stdint.h>

#define RUN_PATH 4096
#define RUN_EVENTS_NAME 128

enum run_file { RUN_PROGRESS, RUN_MONITOR, RUN_EVENTS, RUN_STEPS, RUN_FILE_COUNT };

/* Where the appended files stand; plain, part of the checkpoint. */
struct run_marks {
    uint64_t bytes[RUN_FILE_COUNT];
    char events_name[RUN_EVENTS_NAME];
    double t_start_s;
};

struct run_files {
    const char *folder; /* borrowed */
    bool has_steps;     /* else there is no steps.csv */
    struct run_marks marks;
    struct buf pending[RUN_FILE_COUNT]; /* owned, reserved at open */
    int lock;                           /* on the folder that was created; -1: none */
};

void run_path(char out[RUN_PATH], const char *folder, const char *name);

/* Reserves the buffers. */
MUST_CHECK bool run_files_init(struct run_files *f, const char *folder, bool has_steps, struct err *e);
void run_files_finish(struct run_files *f);

/* Creates the folder (one that exists is ERR_USAGE), locks it and names the event file. */
MUST_CHECK bool run_files_create(struct run_files *f, bool deterministic, struct err *e);

/* Cuts all of them to the marks. */
MUST_CHECK bool run_files_cut(const struct run_files *f, struct err *e);

/* Appends what is pending; with safely, only returns when the disk has it. */
MUST_CHECK bool run_files_flush(struct run_files *f, bool safely, struct err *e);

/* Writes a file out early when its buffer is nearly full. */
MUST_CHECK bool run_files_relieve(struct run_files *f, enum run_file which, struct err *e);

#endif
