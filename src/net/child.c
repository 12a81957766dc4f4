/* child: starting and ending one program beside ours. In: its arguments; out: whether it runs, and how it ended. Does not
 * talk to it. */
#include <maestro/child.h>

#include <maestro/clock.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct child {
    pid_t pid;
    bool ended;
    int status;
};

static void redirect(const char *log)
{
    int in = open("/dev/null", O_RDONLY);
    int out = open(log ? log : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0644);
    dup2(in, STDIN_FILENO);
    dup2(out >= 0 ? out : in, STDOUT_FILENO);
    dup2(out >= 0 ? out : in, STDERR_FILENO);
}

/* In the new process: only what is safe after fork, then the program; errno goes back through the pipe. */
static void become(const char *const *argv, const char *const *environment, const char *log, int report)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    for (; environment && *environment; environment++)
        putenv((char *)(uintptr_t)*environment);
    redirect(log);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    int reason = errno;
    ssize_t written = write(report, &reason, sizeof reason);
    _exit(written == (ssize_t)sizeof reason ? 127 : 126);
}

/* 0: the program runs; else why it does not. The pipe closes by itself when the program starts. */
static int read_report(int fd)
{
    int reason = 0;
    ssize_t n;
    do
        n = read(fd, &reason, sizeof reason);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof reason ? reason : 0;
}

bool child_open(const char *const *argv, const char *const *environment, const char *log, struct child **out,
                struct err *e)
{
    int ends[2];
    struct child *c = calloc(1, sizeof *c);
    if (!c || pipe(ends) != 0) {
        free(c);
        return err_set(e, ERR_IO, "%s: cannot be started: %s", argv[0], strerror(errno));
    }
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    c->pid = fork();
    if (c->pid == 0) {
        close(ends[0]);
        become(argv, environment, log, ends[1]);
    }
    int reason = c->pid < 0 ? errno : 0;
    close(ends[1]);
    if (c->pid > 0)
        reason = read_report(ends[0]);
    close(ends[0]);
    if (reason) {
        if (c->pid > 0)
            waitpid(c->pid, NULL, 0);
        free(c);
        return err_set(e, ERR_IO, "%s: cannot be started: %s", argv[0], strerror(reason));
    }
    *out = c;
    return true;
}

bool child_runs(struct child *c, int *status)
{
    int how;
    if (!c->ended && waitpid(c->pid, &how, WNOHANG) == c->pid) {
        c->ended = true;
        c->status = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how);
    }
    if (c->ended && status)
        *status = c->status;
    return !c->ended;
}

void child_close(struct child *c, double grace_s)
{
    static const struct timespec nap = {.tv_nsec = 20000000};
    if (!c)
        return;
    double until_s = clock_monotonic_s() + grace_s;
    kill(-c->pid, SIGTERM);
    while (child_runs(c, NULL) && clock_monotonic_s() < until_s)
        nanosleep(&nap, NULL);
    kill(-c->pid, SIGKILL); // also what it left behind in its group
    if (!c->ended)
        waitpid(c->pid, NULL, 0);
    free(c);
}
