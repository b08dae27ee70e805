/* process.h: a process under a name by which others can ask whether it still runs.
 *
 * "web1 pid 4711 since 88213 boot 5b3c1c6e-... space 4026531836": the host, then what makes the pid unmistakable: when the process began (in
 * ticks since the boot), which boot of which machine, which space of pids. The first two words are for people.
 * Source: proc(5), starttime in /proc/[pid]/stat; /proc/sys/kernel/random/boot_id; pid_namespaces(7). */
#ifndef TL_PROCESS_H
#define TL_PROCESS_H

#include "base/base.h"

enum { TL_PROCESS_NAME_MAX = 192 };

/* This process. What the system does not tell stands as 0, and then nobody will be certain. */
void tl_process_name(char out[TL_PROCESS_NAME_MAX]);
/* The words of a name that are for people: "web1 pid 4711". */
void tl_process_words(const char *name, char out[TL_PROCESS_NAME_MAX]);
/* Who runs it: "alice@web1"; the number of a user without a name. */
void tl_process_user(char out[TL_PROCESS_NAME_MAX]);
/* True where it is certain that the process of that name has ended: it ran under this very boot, in this space of pids. False: it
 * runs, or nobody here can tell (another machine, another container, a text that is no name). */
bool tl_process_is_gone(const char *name);

#endif
