/* regex.c: regular expressions: compiled once, matched with a bound on what a text may cost. See regex.h.
 *
 * PCRE2 counts its steps anew at each starting place, so the bound of one is the bound of all by their number. At first every byte
 * is taken for a starting place; where that is not enough, those that the expression can start at are counted. */
#include "core/regex.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/code_point.h"
#include "core/regex_java.h"

enum {
    STEPS_MIN = 256, /* of one starting place */
    HEAP_KB_MAX = 8192,
    JIT_STACK_BYTES_MIN = 32768,
    JIT_STACK_BYTES_MAX = 1 << 20,
};

struct tl_regex {
    pcre2_code *code;
    uint32_t groups;
};

struct tl_regex_scratch {
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    uint32_t groups; /* of the last match: how many may be set */
};

static void code_free(void *code)
{
    pcre2_code_free(code);
}

static enum tl_code refuse(struct tl_sv pattern, size_t at, const char *why, struct tl_err *err)
{
    unsigned place = (unsigned)tl_code_points((struct tl_sv){pattern.data, at < pattern.size ? at : pattern.size}) + 1;
    int shown = pattern.size > 120 ? 120 : (int)pattern.size;

    while (shown > 0 && (size_t)shown < pattern.size && tl_code_point_goes_on(pattern.data[shown]))
        shown--;
    return tl_fail(err, TL_ERR_DEFINITION, "the regular expression '%.*s%s' is refused at character %u: %s", shown,
                   pattern.size > 0 ? pattern.data : "", (size_t)shown < pattern.size ? "..." : "", place, why);
}

static enum tl_code compile_plain(struct tl_sv pattern, unsigned flags, const struct tl_regex_java *java, struct tl_sv written,
                                  struct tl_arena *arena, const struct tl_regex **out, struct tl_err *err)
{
    uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | (java != NULL ? PCRE2_DOTALL : 0) |
                       (flags & TL_REGEX_NOCASE ? PCRE2_CASELESS : 0) |
                       (flags & TL_REGEX_WHOLE ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0);
    struct tl_regex *regex = tl_arena_alloc(arena, sizeof *regex);
    PCRE2_UCHAR why[200];
    PCRE2_SIZE at = 0;
    int error = 0;

    if (regex == NULL)
        return tl_fail_memory(err, sizeof *regex);
    regex->code = pcre2_compile((PCRE2_SPTR)(pattern.size > 0 ? pattern.data : ""), pattern.size, options, &error, &at, NULL);
    if (regex->code == NULL) {
        if (error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED)
            return tl_fail_memory(err, pattern.size);
        pcre2_get_error_message(error, why, sizeof why);
        return refuse(written, java != NULL ? tl_regex_java_place(java, at) : at, (const char *)why, err);
    }
    if (!tl_arena_on_end(arena, code_free, regex->code)) {
        code_free(regex->code);
        return tl_fail_memory(err, pattern.size);
    }
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &regex->groups);
    if (regex->groups >= TL_REGEX_GROUPS_MAX)
        return refuse(written, written.size, "it has too many groups: 99 are the most", err);
    /* Where memory must not be written and executed, as under systemd's MemoryDenyWriteExecute, the interpreter matches. */
    if (!(flags & TL_REGEX_INTERPRETED))
        (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    *out = regex;
    return TL_OK;
}

enum tl_code tl_regex_compile(struct tl_sv pattern, unsigned flags, struct tl_arena *arena, const struct tl_regex **out,
                              struct tl_err *err)
{
    struct tl_regex_java java;
    enum tl_code rc;

    if (flags & TL_REGEX_PLAIN)
        return compile_plain(pattern, flags, NULL, pattern, arena, out, err);
    if (!tl_regex_java_translate(pattern, &java))
        rc = tl_fail_memory(err, pattern.size);
    else if (java.wrong != NULL)
        rc = refuse(pattern, java.wrong_at, java.wrong, err);
    else
        rc = compile_plain((struct tl_sv){java.text.data, java.text.size}, flags, &java, pattern, arena, out, err);
    tl_regex_java_done(&java);
    return rc;
}

uint32_t tl_regex_groups(const struct tl_regex *regex)
{
    return regex->groups;
}

uint32_t tl_regex_group_named(const struct tl_regex *regex, struct tl_sv name)
{
    char text[64];
    int group;

    if (name.size >= sizeof text)
        return 0;
    memcpy(text, name.size > 0 ? name.data : "", name.size);
    text[name.size] = '\0';
    group = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)text);
    return group > 0 ? (uint32_t)group : 0;
}

struct tl_regex_scratch *tl_regex_scratch_open(void)
{
    struct tl_regex_scratch *scratch = calloc(1, sizeof *scratch);

    if (scratch == NULL)
        return NULL;
    scratch->match = pcre2_match_data_create(TL_REGEX_GROUPS_MAX, NULL);
    scratch->context = pcre2_match_context_create(NULL);
    if (scratch->match == NULL || scratch->context == NULL) {
        tl_regex_scratch_close(scratch);
        return NULL;
    }
    (void)pcre2_set_heap_limit(scratch->context, HEAP_KB_MAX);
    /* Without one, 32 KB of the machine's stack serve: it is no failure. */
    scratch->stack = pcre2_jit_stack_create(JIT_STACK_BYTES_MIN, JIT_STACK_BYTES_MAX, NULL);
    if (scratch->stack != NULL)
        pcre2_jit_stack_assign(scratch->context, NULL, scratch->stack);
    return scratch;
}

void tl_regex_scratch_close(struct tl_regex_scratch *scratch)
{
    if (scratch == NULL)
        return;
    pcre2_jit_stack_free(scratch->stack);
    pcre2_match_context_free(scratch->context);
    pcre2_match_data_free(scratch->match);
    free(scratch);
}

/* At how many places of the text a match can begin. */
static size_t starts_count(const struct tl_regex *regex, struct tl_sv text)
{
    const uint8_t *bitmap = NULL;
    uint32_t options = 0, first_kind = 0, first = 0;
    size_t count = 0;

    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_ALLOPTIONS, &options);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_FIRSTCODETYPE, &first_kind);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_FIRSTCODEUNIT, &first);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_FIRSTBITMAP, &bitmap);
    if (options & PCRE2_ANCHORED)
        return 1;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (first_kind == 1) /* a byte; of a letter either case may be meant */
            count += c == first || ((c ^ first) == 0x20 && c < 0x80);
        else
            count += bitmap == NULL || (bitmap[c / 8] >> (c % 8) & 1) != 0;
    }
    return count + 1;
}

static uint32_t steps_each(size_t starts)
{
    size_t steps = TL_REGEX_STEPS_MAX / starts;

    return steps < STEPS_MIN ? STEPS_MIN : (uint32_t)steps;
}

static int match(const struct tl_regex *regex, struct tl_regex_scratch *scratch, struct tl_sv text, size_t from, uint32_t steps)
{
    (void)pcre2_set_match_limit(scratch->context, steps);
    return pcre2_match(regex->code, (PCRE2_SPTR)(text.size > 0 ? text.data : ""), text.size, from, PCRE2_NO_UTF_CHECK,
                       scratch->match, scratch->context);
}

enum tl_regex_found tl_regex_match(const struct tl_regex *regex, struct tl_regex_scratch *scratch, struct tl_sv text, size_t from)
{
    uint32_t steps = steps_each(text.size + 1);
    int rc;

    if (text.size > TL_REGEX_TEXT_MAX)
        return TL_REGEX_LIMIT;
    rc = match(regex, scratch, text, from, steps);
    if (rc == PCRE2_ERROR_MATCHLIMIT) {
        uint32_t more = steps_each(starts_count(regex, text));

        if (more > steps)
            rc = match(regex, scratch, text, from, more);
    }
    scratch->groups = rc > 0 ? (uint32_t)rc : 0;
    if (rc > 0)
        return TL_REGEX_FOUND;
    if (rc == PCRE2_ERROR_NOMATCH)
        return TL_REGEX_NONE;
    return rc == PCRE2_ERROR_NOMEMORY ? TL_REGEX_NO_MEMORY : TL_REGEX_LIMIT;
}

bool tl_regex_group(const struct tl_regex_scratch *scratch, struct tl_sv text, uint32_t group, struct tl_sv *out)
{
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(scratch->match);

    if (group >= scratch->groups || ends[2 * group] == PCRE2_UNSET || ends[2 * group] > ends[2 * group + 1])
        return false;
    *out = (struct tl_sv){(text.data != NULL ? text.data : "") + ends[2 * group], ends[2 * group + 1] - ends[2 * group]};
    return true;
}
