/* cmd: the verbs of the command line, one source file each. A verb's entry takes the arguments behind its name and returns
 * the exit status; its row says how it is called. */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include <maestro/cli.h>

/* Prints the program's name and version; the exit status. */
int cmd_show_version(void);

int cmd_bench(int argc, char **argv);
extern const struct cli_verb cmd_bench_verb;

int cmd_calibrate(int argc, char **argv);
extern const struct cli_verb cmd_calibrate_verb;

int cmd_evaluate(int argc, char **argv);
extern const struct cli_verb cmd_evaluate_verb;

int cmd_train(int argc, char **argv);
extern const struct cli_verb cmd_train_verb;

int cmd_report(int argc, char **argv);
extern const struct cli_verb cmd_report_verb;

int cmd_doctor(int argc, char **argv);
extern const struct cli_verb cmd_doctor_verb;

int cmd_replay(int argc, char **argv);
extern const struct cli_verb cmd_replay_verb;

int cmd_inspect(int argc, char **argv);
extern const struct cli_verb cmd_inspect_verb;

#endif
