/* main.c: finds the command that was asked for and runs it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/diag.h"
#include "main/command.h"
#include "main/option.h"

static void usage_print(FILE *out)
{
    const struct tl_command *command;

    fputs("tally counts what happens on a website twice, at once and from the full record, and explains every difference.\n"
          "\n"
          "usage: tally COMMAND [OPTION]...\n"
          "\n",
          out);
    for (size_t i = 0; (command = tl_command_at(i)) != NULL; i++)
        fprintf(out, "  %-12s %s\n", command->name, command->help);
    fputs("\n"
          "`tally COMMAND --help` says what a command takes.\n"
          "\n"
          "example: tally speed --views views.sql --once && tally query hits_5m --views views.sql\n",
          out);
}

static int command_unknown(const char *name)
{
    const char *names[64];
    const struct tl_command *command;
    const char *nearest;
    size_t count = 0;

    while (count < TL_COUNT(names) && (command = tl_command_at(count)) != NULL)
        names[count++] = command->name;
    nearest = tl_option_nearest(name, names, count);
    if (nearest != NULL)
        fprintf(stderr, "tally: there is no command '%s'; did you mean '%s'?\n", name, nearest);
    else
        fprintf(stderr, "tally: there is no command '%s'; `tally --help` lists them\n", name);
    return tl_exit_status(TL_ERR_USAGE);
}

/* A file that we open must not get the number of a stream that is closed. Its place is taken by what fails, as it would. */
static void streams_keep(void)
{
    static const int flags[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = 0; fd < (int)TL_COUNT(flags); fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", flags[fd]) < 0)
            return;
}

/* What a command has printed and nobody could read is a failure, unless it has failed anyway, and said why. */
static int output_end(int status)
{
    struct tl_err err;

    if ((fflush(stdout) == 0 && ferror(stdout) == 0) || status > 1)
        return status;
    tl_fail(&err, TL_ERR_IO, "cannot write to standard output");
    tl_diag_err(&err);
    return tl_exit_status(err.code);
}

int main(int argc, char **argv)
{
    const struct tl_command *command;
    const char *name;

    streams_keep();
    signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit on the size of files is an error like others, with a name and a place */
    if (argc < 2) {
        usage_print(stderr);
        return tl_exit_status(TL_ERR_USAGE);
    }
    if (argc > 2 && strcmp(argv[1], "help") == 0) { /* `tally help query` */
        char help[] = "--help", *asked[] = {argv[2], help, NULL};

        command = tl_command_find(argv[2]);
        return command != NULL ? output_end(command->run(2, asked)) : command_unknown(argv[2]);
    }
    name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        usage_print(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0)
        name = "version";
    command = tl_command_find(name);
    if (command == NULL)
        return command_unknown(name);
    return output_end(command->run(argc - 1, argv + 1));
}
