/* import_progress_test.c: a log is known by its first lines, and by nothing else. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <string.h>

#include "speed_layer/import_progress.h"

static struct tl_err err;
static struct tl_import_kind kind = {
    TL_IMPORT_COMBINED, {"events", 6},
     {"x.com",  5}
};

static struct tl_sv texts[64];
static struct tl_lines lines;

/* The text's lines as spans of one line each, or all in one span that is not whole, as at the end of a file. */
static bool next_span(struct tl_sv *rest, bool one_each)
{
    lines = (struct tl_lines){.lines = texts};
    while (rest->size > 0 && !lines.whole && lines.count < TL_COUNT(texts)) {
        lines.unfinished = memchr(rest->data, '\n', rest->size) == NULL;
        texts[lines.count++] = tl_sv_cut(rest, '\n');
        lines.whole = one_each && !lines.unfinished;
    }
    return lines.count > 0;
}

static void walk(struct tl_import_progress *progress, const char *text, bool compare, bool one_each)
{
    struct tl_sv rest = tl_sv_from(text);

    while ((!compare || tl_import_progress_wants_more(progress)) && next_span(&rest, one_each)) {
        enum tl_code rc =
            compare ? tl_import_progress_compare(progress, &lines, 0, 0, &err)
                    : tl_import_progress_take(progress, &lines, tl_import_span_hash(progress->state, &lines), 0, 0, &err);

        cr_assert_eq(rc, TL_OK);
    }
}

static void as_entry(struct tl_import_progress *progress, const char *text, const struct tl_import_kind *as, bool one_each,
                     struct tl_import_entry *entry)
{
    cr_assert_eq(tl_import_progress_begin(progress, as, &err), TL_OK);
    walk(progress, text, false, one_each);
    tl_import_progress_entry(progress, entry);
}

static void add_entry(struct tl_import_progress *progress, const struct tl_import_entry *entry)
{
    struct tl_import_entry part, again;
    struct tl_buf bytes;

    tl_buf_init(&bytes, 0);
    tl_import_entry_put(&bytes, entry);
    cr_assert(tl_import_entry_get(tl_buf_sv(&bytes), &again));
    for (size_t size = 0; size < bytes.size; size++)
        cr_assert_not(tl_import_entry_get((struct tl_sv){bytes.data, size}, &part), "%zu bytes of %zu", size, bytes.size);
    cr_assert_eq(tl_import_progress_add(progress, &again, &err), TL_OK);
    memset(bytes.data, 'x', bytes.size); /* it has a copy of its own */
    tl_buf_done(&bytes);
}

static bool one_each_there, one_each_here; /* how spans are cut: the same for what was imported and for what is read */

static void was_imported(struct tl_import_progress *progress, const char *text, const struct tl_import_kind *as)
{
    struct tl_import_entry entry;

    as_entry(progress, text, as, one_each_there, &entry);
    add_entry(progress, &entry);
}

/* As it was noted before there were spans: one hash of all lines. */
static void was_imported_by_version_1(struct tl_import_progress *progress, const char *text, const struct tl_import_kind *as)
{
    struct tl_import_entry entry;
    struct tl_sv whole = tl_sv_from(text);

    as_entry(progress, text, as, false, &entry);
    while (whole.size > 0 && whole.data[whole.size - 1] != '\n')
        whole.size--;
    entry.version = 1;
    entry.hash = XXH3_128bits(whole.data, whole.size);
    entry.first_line = 0;
    add_entry(progress, &entry);
}

struct known_case {
    char name[60];
    char imported[3][40]; /* empty: none */
    char log[40];
    uint64_t known;
};

ParameterizedTestParameters(import_progress, known)
{
    static struct known_case cases[] = {
        {"nothing was imported",               {"", "", ""},                   "a\nb\n",       0},
        {"the same",                           {"a\nb\n", "", ""},             "a\nb\n",       2},
        {"it has grown",                       {"a\nb\n", "", ""},             "a\nb\nc\n",    2},
        {"the longest counts",                 {"a\nb\nc\n", "a\n", "a\nb\n"}, "a\nb\nc\nd\n", 3},
        {"an older copy",                      {"a\n", "a\nb\nc\n", ""},       "a\n",          1},
        {"shorter than what is known",         {"a\nb\n", "", ""},             "a\n",          0},
        {"another line",                       {"a\nb\n", "", ""},             "a\nx\n",       0},
        {"the same lines further on",          {"b\n", "", ""},                "a\nb\n",       0},
        {"lines that are cut elsewhere",       {"ab\nc\n", "", ""},            "a\nbc\n",      0},
        {"one of two that begin alike",        {"a\nb\n", "a\nc\n", ""},       "a\nc\nd\n",    2},
        {"a tail, the same",                   {"a\nb", "", ""},               "a\nb",         2},
        {"a tail that was finished",           {"a\nb", "", ""},               "a\nb\n",       2},
        {"a tail that was finished, and more", {"a\nb", "", ""},               "a\nb\nc\n",    2},
        {"a tail that has grown",              {"a\nb", "", ""},               "a\nbc\n",      1},
        {"a tail alone",                       {"b", "", ""},                  "b\nc\n",       1},
        {"a tail alone, another log",          {"b", "", ""},                  "c\n",          0},
        {"the tail of another log",            {"x\nb", "", ""},               "a\nb\n",       0},
        {"the tail of one of two",             {"a\nb", "a\nc", ""},           "a\nc",         2},
        {"a tail, then more lines",            {"a\nb", "a\nb\nc\n", ""},      "a\nb\nc\nd",   3},
        {"an empty log",                       {"a\n", "b", ""},               "",             0},
    };
    return cr_make_param_array(struct known_case, cases, sizeof cases / sizeof *cases);
}

static void known_is(const struct known_case *c,
                     void (*imported)(struct tl_import_progress *progress, const char *text, const struct tl_import_kind *as))
{
    struct tl_import_progress progress;
    uint64_t known = 77;

    cr_assert_eq(tl_import_progress_init(&progress, &err), TL_OK);
    for (size_t i = 0; i < TL_COUNT(c->imported); i++)
        if (c->imported[i][0] != '\0')
            imported(&progress, c->imported[i], &kind);
    cr_assert_eq(tl_import_progress_begin(&progress, &kind, &err), TL_OK);
    walk(&progress, c->log, true, one_each_here);
    cr_assert_eq(tl_import_progress_known(&progress, "a.log", &known, &err), TL_OK, "%s", err.message);
    cr_assert_eq(known, c->known, "%s: %llu lines are known, not %llu", c->name, (unsigned long long)known,
                 (unsigned long long)c->known);
    tl_import_progress_done(&progress);
}

ParameterizedTest(struct known_case *c, import_progress, known)
{
    known_is(c, was_imported);
    one_each_there = one_each_here = true;
    known_is(c, was_imported);
    known_is(c, was_imported_by_version_1);
    one_each_here = false;
    known_is(c, was_imported_by_version_1);
}

/* From any span on that was known: the same as from the beginning. */
Test(import_progress, behind_known_spans)
{
    struct tl_import_span spans[4];
    struct tl_import_progress progress;
    struct tl_import_entry entry;
    uint64_t known, first_line;

    one_each_there = true;
    cr_assert_eq(tl_import_progress_init(&progress, &err), TL_OK);
    was_imported(&progress, "a\nb\n", &kind);
    was_imported(&progress, "a\nb\nc\nd", &kind);
    was_imported(&progress, "a\nx\nc\n", &kind);
    as_entry(&progress, "a\nb\nc\nd\n", &kind, true, &entry);
    cr_assert_eq(progress.spans_count, 4);
    memcpy(spans, progress.spans, sizeof spans);
    first_line = progress.first_line;
    for (size_t count = 0; count <= 4; count++) {
        cr_assert_eq(tl_import_progress_begin_behind(&progress, &kind, spans, count, first_line, &err), TL_OK);
        walk(&progress, &"a\nb\nc\nd\ne\n"[2 * count], true, true);
        cr_assert_eq(tl_import_progress_known(&progress, "a.log", &known, &err), TL_OK);
        cr_assert_eq(known, count == 0 ? 4 : 5, "%zu spans: %llu", count, (unsigned long long)known);
        tl_import_progress_go_back(&progress, known);
        cr_assert_eq(progress.spans_lines, known);
        walk(&progress, &"a\nb\nc\nd\ne\n"[2 * known], false, true);
        tl_import_progress_entry(&progress, &entry);
        cr_assert_eq(entry.lines_count, 5);
        cr_assert_eq(entry.first_line, first_line);
        cr_assert_eq(tl_import_progress_has(&progress, &entry), count > 0);
        if (count == 0)
            add_entry(&progress, &entry);
    }
    tl_import_progress_done(&progress);
}

Test(import_progress, topic_and_format_are_part_of_it)
{
    struct tl_import_kind topic =
                              {
                                  TL_IMPORT_COMBINED, {"others", 6},
                                   {"x.com",  5}
    },
                          format = {TL_IMPORT_COMMON, {"events", 6}, {"x.com", 5}};
    struct tl_import_progress progress;
    uint64_t known = 77;

    cr_assert_eq(tl_import_progress_init(&progress, &err), TL_OK);
    was_imported(&progress, "a\nb\n", &topic);
    was_imported(&progress, "a\nb\n", &format);
    cr_assert_eq(tl_import_progress_begin(&progress, &kind, &err), TL_OK);
    walk(&progress, "a\nb\n", true, false);
    cr_assert_eq(tl_import_progress_known(&progress, "a.log", &known, &err), TL_OK);
    cr_assert_eq(known, 0);
    tl_import_progress_done(&progress);
}

Test(import_progress, another_host_is_refused)
{
    struct tl_import_kind other =
                              {
                                  TL_IMPORT_COMBINED, {"events", 6},
                                   {"y.com",  5}
    },
                          none = {TL_IMPORT_COMBINED, {"events", 6}, {NULL, 0}};
    struct tl_import_progress progress;
    uint64_t known = 77;

    cr_assert_eq(tl_import_progress_init(&progress, &err), TL_OK);
    was_imported(&progress, "a\n", &other);
    cr_assert_eq(tl_import_progress_begin(&progress, &kind, &err), TL_OK);
    walk(&progress, "a\nb\n", true, false);
    cr_assert_eq(tl_import_progress_known(&progress, "a.log", &known, &err), TL_ERR_USAGE);
    cr_assert_not_null(strstr(err.message, "a.log: its lines 1 to 1 were imported with --host y.com"), "%s", err.message);
    cr_assert_eq(tl_import_progress_begin(&progress, &none, &err), TL_OK);
    walk(&progress, "a\nb\n", true, false);
    cr_assert_eq(tl_import_progress_known(&progress, "a.log", &known, &err), TL_ERR_USAGE);
    was_imported(&progress, "a\n", &kind); /* under both: then it is this one */
    cr_assert_eq(tl_import_progress_begin(&progress, &kind, &err), TL_OK);
    walk(&progress, "a\nb\n", true, false);
    cr_assert_eq(tl_import_progress_known(&progress, "a.log", &known, &err), TL_OK);
    cr_assert_eq(known, 1);
    tl_import_progress_done(&progress);
}
