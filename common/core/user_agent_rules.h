/* user_agent_rules.h: the file that says which browser, system and device a user agent is: regexes.yaml of uap-core, as it
 * is written.
 *
 *     user_agent_parsers:                       os_parsers and device_parsers are like it
 *       - regex: '(Minefield)/(\d+)\.(\d+)'
 *         family_replacement: 'Firefox ($1)'
 *
 * What a newer file may have beside these is passed over. Source: the specification of uap-core (specification.md). */
#ifndef TL_USER_AGENT_RULES_H
#define TL_USER_AGENT_RULES_H

#include "base/arena.h"
#include "base/base.h"
#include "base/sv.h"

enum tl_user_agent_section { TL_USER_AGENT_BROWSER, TL_USER_AGENT_OS, TL_USER_AGENT_DEVICE, TL_USER_AGENT_SECTIONS };

enum { TL_USER_AGENT_FIELDS = 5 };

struct tl_user_agent_rule {
    struct tl_sv regex;
    bool caseless;
    struct tl_sv replacement[TL_USER_AGENT_FIELDS]; /* of family, v1, v2, v3, v4; of device, brand, model; data NULL: none */
    uint32_t line;                                  /* where it stands, from 1 */
};

struct tl_user_agent_rules {
    struct tl_user_agent_rule *rules[TL_USER_AGENT_SECTIONS];
    uint32_t count[TL_USER_AGENT_SECTIONS];
    uint64_t hash; /* XXH3 of the file */
};

/* In `arena`. What is wrong with a file is TL_ERR_DEFINITION: "FILE:LINE: ...". */
TL_MUST_USE enum tl_code tl_user_agent_rules_read(const char *path, struct tl_arena *arena, struct tl_user_agent_rules *out,
                                                  struct tl_err *err);

#endif
