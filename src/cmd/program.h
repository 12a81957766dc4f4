/* program: what the programs of one verb (maestro-serve and its like) have in common: help, version, configuration printed or
 * checked, logging, the limit of open descriptors, exit statuses. */
#ifndef CMD_PROGRAM_H
#define CMD_PROGRAM_H

#include <maestro/cli.h>

struct program {
    const struct cli_verb *verb; /* its name is the program's */
    struct config_section *sections;
    int n_sections;
    /* Puts what options and words say over the configuration, and checks what one key alone does not tell. NULL: nothing. */
    bool (*settle)(const struct cli *cli, struct config *config, struct err *e);
    bool (*run)(struct err *e); /* with the sections' targets filled */
};

/* The whole of main(): the exit status. What was printed counts only once it is out. */
int program_main(const struct program *program, int argc, char **argv);

#endif
