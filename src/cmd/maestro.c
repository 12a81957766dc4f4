/* maestro: the command line's front door. Finds the verb, hands it its arguments, turns its answer into an exit status. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("maestro 0.1.0");
        return 0;
    }
    fputs("maestro: name a verb\n", stderr);
    return 2;
}
