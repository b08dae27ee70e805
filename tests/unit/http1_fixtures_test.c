/* http1_fixtures_test.c: llhttp's own test cases, whole and byte by byte: we hear what llhttp 9.4 hears, and refuse what it refuses. Where we refuse more,
 * tests/data/llhttp_differences.tsv says so. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/http1_feed.h"

enum { CASES_MAX = 300, HEAD_BYTES_MAX = 65536, FIELDS = 6 };

/* A line of cases.tsv (llhttp_fixtures.py). */
struct fixture {
    struct tl_sv place, kind, strictness, verdict, bytes, heard;
};

struct difference {
    struct tl_sv place, reason;
    bool met;
};

static struct tl_buf table, list;
static struct difference differences[CASES_MAX];
static size_t differences_count;

static void read_file(const char *path, struct tl_buf *out)
{
    FILE *file = fopen(path, "rb");
    char *at;
    size_t got;

    cr_assert_not_null(file, "%s", path);
    tl_buf_init(out, 0);
    do {
        at = tl_buf_reserve(out, 65536);
        cr_assert_not_null(at);
        got = fread(at, 1, 65536, file);
        out->size += got;
    } while (got > 0);
    fclose(file);
}

static void read_differences(void)
{
    struct tl_sv rest;

    read_file("tests/data/llhttp_differences.tsv", &list);
    rest = tl_buf_sv(&list);
    while (rest.size > 0) {
        struct tl_sv line = tl_sv_cut(&rest, '\n');

        if (line.size == 0 || line.data[0] == '#')
            continue;
        cr_assert_lt(differences_count, CASES_MAX);
        differences[differences_count].place = tl_sv_cut(&line, '\t');
        differences[differences_count++].reason = tl_sv_cut(&line, '\t');
    }
}

/* NULL: it is none of them. */
static struct difference *difference_at(struct tl_sv place)
{
    for (size_t i = 0; i < differences_count; i++)
        if (tl_sv_eq(differences[i].place, place))
            return &differences[i];
    return NULL;
}

static int nibble(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* In place: it takes half as much room. */
static struct tl_sv unhex(struct tl_sv hex)
{
    char *out = (char *)(uintptr_t)hex.data;

    for (size_t i = 0; i < hex.size / 2; i++)
        out[i] = (char)(nibble(hex.data[2 * i]) << 4 | nibble(hex.data[2 * i + 1]));
    return (struct tl_sv){out, hex.size / 2};
}

static void feed_whole(struct http1_feed *feed, struct tl_sv bytes)
{
    http1_feed_begin(feed);
    http1_feed_upto(feed, bytes, bytes.size);
    http1_feed_end(feed);
}

/* Byte by byte it is as whole. */
static void check_pieces(struct http1_feed *feed, const struct fixture *fixture)
{
    struct tl_buf whole = *feed->out;

    tl_buf_init(feed->out, 0);
    http1_feed_begin(feed);
    for (size_t i = 1; i <= fixture->bytes.size; i++)
        http1_feed_upto(feed, fixture->bytes, i);
    http1_feed_end(feed);
    cr_expect(tl_sv_eq(tl_buf_sv(&whole), tl_buf_sv(feed->out)), "%.*s\nwhole %.*s\nbyte by byte %.*s", TL_SV_ARG(fixture->place),
              TL_SV_ARG(tl_buf_sv(&whole)), TL_SV_ARG(tl_buf_sv(feed->out)));
    tl_buf_done(&whole);
}

static struct tl_sv refusal(struct tl_sv heard)
{
    const char *at = heard.size > 0 ? memmem(heard.data, heard.size, "refused: ", 9) : NULL;

    return at == NULL ? (struct tl_sv){NULL, 0} : (struct tl_sv){at, heard.size - (size_t)(at - heard.data)};
}

/* What was heard before the refusal. */
static struct tl_sv before_refusal(struct tl_sv heard)
{
    struct tl_sv before = {heard.data, heard.size - refusal(heard).size};

    if (before.size < heard.size && tl_sv_ends(before, TL_SV("] ")))
        before.size -= 2;
    return before;
}

/* In the lenient cases llhttp was told to take more: we refuse, or hear the same. Where both refuse, one may do so earlier. */
static bool as_llhttp(const struct fixture *fixture, struct tl_sv heard)
{
    bool refused = refusal(heard).size > 0, llhttp_refused = tl_sv_eq(fixture->verdict, TL_SV("refused"));

    if (tl_sv_eq(fixture->strictness, TL_SV("lenient")) && refused)
        return true;
    if (refused && llhttp_refused)
        return tl_sv_starts(fixture->heard, before_refusal(heard)) || tl_sv_starts(heard, fixture->heard);
    return tl_sv_starts(heard, fixture->heard) && (refused == llhttp_refused || tl_sv_eq(fixture->verdict, TL_SV("open")));
}

static void check_fixture(const struct fixture *fixture)
{
    struct tl_buf out;
    struct http1_feed feed = {.out = &out, .plain = true};
    struct difference *difference = difference_at(fixture->place);
    struct tl_err err;
    bool same;

    feed.kind = tl_sv_eq(fixture->kind, TL_SV("request")) ? TL_HTTP1_REQUEST : TL_HTTP1_RESPONSE;
    feed.answers_head = tl_sv_eq(fixture->kind, TL_SV("head"));
    cr_assert_eq(tl_http1_open(feed.kind, HEAD_BYTES_MAX, &feed.http, &err), TL_OK);
    tl_buf_init(&out, 0);
    feed_whole(&feed, fixture->bytes);
    same = as_llhttp(fixture, tl_buf_sv(&out));
    if (difference == NULL)
        cr_expect(same, "%.*s (%.*s): '%.*s'\ngot %.*s\nllhttp %.*s %.*s", TL_SV_ARG(fixture->place),
                  TL_SV_ARG(fixture->strictness), TL_SV_ARG(fixture->bytes), TL_SV_ARG(tl_buf_sv(&out)),
                  TL_SV_ARG(fixture->verdict), TL_SV_ARG(fixture->heard));
    else
        cr_expect(!same && tl_sv_eq(refusal(tl_buf_sv(&out)), difference->reason), "%.*s: got %.*s, and the list says %.*s",
                  TL_SV_ARG(fixture->place), TL_SV_ARG(tl_buf_sv(&out)), TL_SV_ARG(difference->reason));
    if (difference != NULL)
        difference->met = true;
    check_pieces(&feed, fixture);
    tl_http1_close(feed.http);
    tl_buf_done(&out);
}

Test(http1_fixtures, as_llhttp_or_stricter)
{
    const char *path = getenv("TALLY_LLHTTP_CASES");
    struct tl_sv rest;
    size_t count = 0;

    if (path == NULL)
        cr_skip_test("TALLY_LLHTTP_CASES is not set; make test-unit sets it");
    read_file(path, &table);
    read_differences();
    rest = tl_buf_sv(&table);
    while (rest.size > 0) {
        struct tl_sv line = tl_sv_cut(&rest, '\n'), fields[FIELDS];

        for (size_t i = 0; i < FIELDS; i++)
            fields[i] = tl_sv_cut(&line, '\t');
        if (!tl_sv_eq(fields[2], TL_SV("none")))
            check_fixture(&(struct fixture){fields[0], fields[1], fields[2], fields[3], unhex(fields[4]), unhex(fields[5])});
        count++;
    }
    cr_expect_eq(count, 251);
    for (size_t i = 0; i < differences_count; i++)
        cr_expect(differences[i].met, "%.*s is in the list of differences, and no case", TL_SV_ARG(differences[i].place));
    tl_buf_done(&table);
    tl_buf_done(&list);
}
