/* command.c: the registered commands, read from the linker section that TL_COMMAND fills; and `tally version`. */
#include "main/command.h"

#include <stdio.h>
#include <string.h>

#include "main/option.h"

/* The linker gives these two names to the edges of the section. */
extern const struct tl_command *const __start_tl_commands[];
extern const struct tl_command *const __stop_tl_commands[];

const struct tl_command *tl_command_find(const char *name)
{
    for (const struct tl_command *const *at = __start_tl_commands; at < __stop_tl_commands; at++)
        if (strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}

/* The order of the section is the linker's, so the i-th name is the one that has i smaller ones. */
const struct tl_command *tl_command_at(size_t i)
{
    for (const struct tl_command *const *at = __start_tl_commands; at < __stop_tl_commands; at++) {
        size_t smaller = 0;

        for (const struct tl_command *const *other = __start_tl_commands; other < __stop_tl_commands; other++)
            if (strcmp((*other)->name, (*at)->name) < 0)
                smaller++;
        if (smaller == i)
            return *at;
    }
    return NULL;
}

static const struct tl_usage version_usage = {
    .text = "Prints the version of the program.",
    .example = "tally version",
};

TL_COMMAND(version, "the version of the program")
{
    struct tl_common_options common;
    int status = 0;

    if (!tl_options_parse(&version_usage, argc, argv, &common, NULL, &status))
        return status;
    printf("tally %s\n", TL_VERSION);
    return 0;
}
