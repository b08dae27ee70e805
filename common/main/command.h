/* command.h: a command of the program; it registers itself, so common knows none of the layers.
 *
 *     #include "main/command.h"
 *     #include "main/option.h"
 *
 *     TL_COMMAND(speed, "count events as they arrive")
 *     {
 *         ...
 *         return 0;
 *     }
 *
 * defines `static int tl_command_speed(int argc, char **argv)` and its entry in the linker section tl_commands, which main.c
 * walks. argv[0] is the command's name ("speed"), argv[argc] is NULL. The body returns the exit status:
 *
 *     0   done
 *     1   the answer is no (unexplained differences, a failed check)
 *     2   wrong usage or definition
 *     3   something outside failed
 *     75  another run holds the lock
 *
 * tl_exit_status(code) (base.h) turns a code into it; tl_diag_err(&err) (diag.h) reports an error, once.
 * stdout is the answer, stderr is everything else. A command parses its options with tl_options_parse (option.h), which also
 * answers --help and sets up diag.
 *
 * The objects of common/main and of the layers are linked whole: an archive would drop what nobody calls by name. */
#ifndef TL_COMMAND_H
#define TL_COMMAND_H

#include "base/base.h"

#define TL_VERSION "0.1.0"

struct tl_command {
    const char *name, *help;
    int (*run)(int argc, char **argv);
};

/* The section holds pointers, not structs: a compiler may pad a struct as it likes, but pointers stand side by side. */
#define TL_COMMAND(command, text)                                                                                                \
    static int tl_command_##command(int argc, char **argv);                                                                      \
    static const struct tl_command tl_command_entry_##command = {#command, (text), tl_command_##command};                        \
    static const struct tl_command *const tl_command_link_##command __attribute__((used, section("tl_commands"))) =              \
        &tl_command_entry_##command;                                                                                             \
    static int tl_command_##command(int argc, char **argv)

/* The registered commands; NULL when there is none of that name. */
const struct tl_command *tl_command_find(const char *name);
/* Command number `i` in order of name, or NULL behind the last. */
const struct tl_command *tl_command_at(size_t i);

#endif
