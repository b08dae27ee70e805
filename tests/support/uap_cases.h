/* uap_cases.h: uap-core's own test files, as Debian packages them. */
#ifndef UAP_CASES_H
#define UAP_CASES_H

#include "base/arena.h"
#include "core/user_agent_rules.h"

#define UAP_TESTS "/usr/share/uap-core/tests/"
#define UAP_RESOURCES "/usr/share/uap-core/test_resources/"

/* A user agent, and what one section of the rules has to say of it. */
struct uap_case {
    struct tl_sv text;
    struct tl_sv fields[TL_USER_AGENT_FIELDS]; /* in the order of the rules' replacements; data NULL: null */
};

struct uap_file {
    const char *path;
    enum tl_user_agent_section section;
};

/* Those that uap-core's own tests run, and two that they do not. */
extern const struct uap_file uap_files[];
extern const uint32_t uap_files_count;

/* In `arena`; fails the test when the file cannot be read. */
struct uap_case *uap_cases_read(const struct uap_file *file, struct tl_arena *arena, uint32_t *count);

#endif
