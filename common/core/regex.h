/* regex.h: regular expressions: compiled once, matched with a bound on what a text may cost.
 *
 * Is:      PCRE2 (JIT where the system allows it, else its interpreter) over text that is well-formed UTF-8.
 * Is not:  another engine's meaning by chance. Java's syntax goes through regex_java.h, which refuses what PCRE2 would mean
 *          differently.
 * Runs on: compiled expressions are read-only and shared by threads; a scratch belongs to one.
 *
 * A pattern that backtracks without end cannot hang: all starting places of a text share TL_REGEX_STEPS_MAX steps, JIT stack and
 * heap have a maximum, and a text is at most TL_REGEX_TEXT_MAX bytes. What reaches a limit is TL_REGEX_LIMIT, never an answer.
 * A step may look at many bytes ([a-z]* is one), so a pattern that does this from each place costs the square of the text: at most about 0.3 s.
 * JIT and interpreter count steps differently: near the bound one may answer where the other does not. */
#ifndef TL_REGEX_H
#define TL_REGEX_H

#include "base/arena.h"

enum {
    TL_REGEX_STEPS_MAX = 1000000,
    TL_REGEX_TEXT_MAX = 16384,
    TL_REGEX_GROUPS_MAX = 100, /* with the whole match, which is group 0 */
};

enum tl_regex_flag {
    TL_REGEX_JAVA = 0,        /* java.util.regex.Pattern's syntax (regex_java.h) */
    TL_REGEX_PLAIN = 1,       /* PCRE2's syntax as it is */
    TL_REGEX_NOCASE = 2,      /* with TL_REGEX_PLAIN */
    TL_REGEX_WHOLE = 8,       /* a match is one of the whole text (java.util.regex.Matcher.matches) */
    TL_REGEX_INTERPRETED = 4, /* no JIT: for patterns that serve few texts, and for tests */
};

struct tl_regex;
struct tl_regex_scratch;

/* *out lives in the arena. TL_ERR_DEFINITION: what is wrong and at which character. */
TL_MUST_USE enum tl_code tl_regex_compile(struct tl_sv pattern, unsigned flags, struct tl_arena *arena,
                                          const struct tl_regex **out, struct tl_err *err);
uint32_t tl_regex_groups(const struct tl_regex *regex); /* how many there are beside group 0 */
/* The number of the group (?<name>...); 0: there is none. */
uint32_t tl_regex_group_named(const struct tl_regex *regex, struct tl_sv name);

/* What a thread needs to match: about 200 KB once used, 8 MB at most. NULL: out of memory. */
struct tl_regex_scratch *tl_regex_scratch_open(void);
void tl_regex_scratch_close(struct tl_regex_scratch *scratch);

enum tl_regex_found { TL_REGEX_NONE, TL_REGEX_FOUND, TL_REGEX_LIMIT, TL_REGEX_NO_MEMORY };

/* The first match at or behind byte `from`, where a character begins; what lies before it is there for \b and look-behind.
 * Matches of one text, each from the end of the one before, share one bound. */
enum tl_regex_found tl_regex_match(const struct tl_regex *regex, struct tl_regex_scratch *scratch, struct tl_sv text,
                                   size_t from);
/* A group of the match just found in `text`. False: it took no part, or there is no such group. */
bool tl_regex_group(const struct tl_regex_scratch *scratch, struct tl_sv text, uint32_t group, struct tl_sv *out);

#endif
