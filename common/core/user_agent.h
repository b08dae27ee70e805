/* user_agent.h: which browser, operating system and device a user agent is, and whether it is a program that nobody looks
 * through.
 *
 * The rules are those of uap-core (user_agent_rules.h), and each section is a list of regular expressions of which the first
 * that matches decides. Few of the 1166 are tried: the literals of all of them (regex_literal.h) are looked for in one walk
 * over the text, and a rule runs only when each of its sets of literals has one there. tests/unit/user_agent_test.c holds
 * this against trying every rule.
 *
 * A user agent is bytes: what is longer than TL_USER_AGENT_BYTES_MAX is judged by its beginning. Regular expressions have
 * limits on backtracking; one that reaches them does not match.
 * Source: specification.md of uap-core 0.16.0. */
#ifndef TL_USER_AGENT_H
#define TL_USER_AGENT_H

#include "base/arena.h"
#include "base/base.h"
#include "base/sv.h"

/* The longest in uap-core's tests has 492 bytes. What a hostile text costs goes by this: of "; HTC  HTC  HTC ..." 1 KB takes 18 ms, 4 KB 84. */
enum { TL_USER_AGENT_BYTES_MAX = 1024 };

/* Where Debian's package uap-core has them. */
#define TL_USER_AGENTS_PATH "/usr/share/uap-core/regexes.yaml"

struct tl_user_agents; /* the rules, compiled: all threads share them */

/* A file that is missing or broken, or has a bad regular expression: TL_ERR_DEFINITION, and *err names it and the rule. */
TL_MUST_USE enum tl_code tl_user_agents_open(const char *path, struct tl_user_agents **out, struct tl_err *err);
void tl_user_agents_close(struct tl_user_agents *agents);
uint64_t tl_user_agents_hash(const struct tl_user_agents *agents); /* XXH3 of the file: its version, for it states none */

/* What a thread needs to parse; opened for one tl_user_agents. */
struct tl_user_agent_scratch {
    bool every_rule;      /* tests: without looking for literals first */
    uint64_t rules_run;   /* regular expressions tried so far */
    struct tl_arena text; /* of the latest result */
    void *match, *limits; /* PCRE2's */
    uint64_t *hits;
};

TL_MUST_USE bool tl_user_agent_scratch_init(struct tl_user_agent_scratch *scratch, const struct tl_user_agents *agents);
void tl_user_agent_scratch_done(struct tl_user_agent_scratch *scratch); /* fine on zeros */

/* Texts are NULL (data) where nothing is known; families are "Other" then. They are views into the text, the rules and the
 * scratch, until its next parse. */
struct tl_user_agent {
    struct tl_sv family, major, minor, patch;
    struct {
        struct tl_sv family, major, minor, patch, patch_minor;
    } os;
    struct {
        struct tl_sv family, brand, model;
    } device;
    bool is_bot;
};

/* False: out of memory. */
TL_MUST_USE bool tl_user_agent_parse(const struct tl_user_agents *agents, struct tl_user_agent_scratch *scratch,
                                     struct tl_sv text, struct tl_user_agent *out);

#endif
