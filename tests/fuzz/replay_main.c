/* replay_main: runs a fuzz target over every file of a folder, in the order of their names, and prints the count as Check does.
 * A failing input ends the program; the name of the file that was running is printed then. */
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define INPUT_LIMIT ((size_t)16 << 20)

static char running[PATH_MAX];

static void tell_input(int signal_number)
{
    static const char before[] = "the input was ";
    ssize_t told = write(STDERR_FILENO, before, sizeof before - 1);
    told = told < 0 ? told : write(STDERR_FILENO, running, strlen(running));
    told = told < 0 ? told : write(STDERR_FILENO, "\n", 1);
    (void)told;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static uint8_t *read_whole(const char *path, size_t *n)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = file ? malloc(INPUT_LIMIT) : NULL;
    if (!bytes) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    *n = fread(bytes, 1, INPUT_LIMIT, file);
    fclose(file);
    // An exact block, so that a sanitizer sees a read behind the end.
    uint8_t *exact = malloc(*n ? *n : 1);
    if (!exact)
        exit(EXIT_FAILURE);
    memcpy(exact, bytes, *n);
    free(bytes);
    return exact;
}

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay(const char *folder, const char *name)
{
    size_t n = 0;
    snprintf(running, sizeof running, "%s/%s", folder, name);
    uint8_t *bytes = read_whole(running, &n);
    fuzz_must(LLVMFuzzerTestOneInput(bytes, n) == 0);
    free(bytes);
}

int main(int argc, char **argv)
{
    struct dirent **entries = NULL;
    int n = argc == 2 ? scandir(argv[1], &entries, is_input, alphasort) : -1;
    if (n <= 0) {
        fprintf(stderr, "%s: %s: no inputs to replay\n", argv[0], argc == 2 ? argv[1] : "name one folder");
        return EXIT_FAILURE;
    }
    signal(SIGABRT, tell_input);
    signal(SIGSEGV, tell_input);
    for (int i = 0; i < n; i++) {
        replay(argv[1], entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    printf("100%%: Checks: %d, Failures: 0, Errors: 0\n", n);
    return EXIT_SUCCESS;
}
