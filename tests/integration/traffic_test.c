/* traffic_test.c: the traffic generator plants what its summary says, and the same bytes for the same options. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct text {
    char *data;
    size_t size;
};

static struct text slurp(FILE *in)
{
    struct text text = {0};
    size_t capacity = 0, got;

    do {
        if (capacity - text.size < 1 << 16)
            cr_assert((text.data = realloc(text.data, capacity = 2 * capacity + (1 << 17))) != NULL);
        got = fread(text.data + text.size, 1, capacity - text.size - 1, in);
        text.size += got;
    } while (got > 0);
    text.data[text.size] = 0;
    return text;
}

/* The generator stands beside the program under test. */
static struct text traffic(const char *options)
{
    const char *tally = getenv("TALLY_BIN");
    const char *slash = tally != NULL ? strrchr(tally, '/') : NULL;
    struct text out;
    char command[4096];
    FILE *in;

    if (slash == NULL)
        snprintf(command, sizeof command, "build/release/traffic %s", options);
    else
        snprintf(command, sizeof command, "'%.*s/traffic' %s", (int)(slash - tally), tally, options);
    in = popen(command, "r");
    cr_assert(in != NULL);
    out = slurp(in);
    cr_assert_eq(pclose(in), 0, "%s failed", command);
    return out;
}

static uint64_t planted(const char *summary, const char *name)
{
    char key[64];
    const char *at;

    snprintf(key, sizeof key, "\"%s\":", name);
    at = strstr(summary, key);
    cr_assert(at != NULL, "the summary has no %s", name);
    return strtoull(at + strlen(key), NULL, 10);
}

static int by_bytes(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->size < y->size ? x->size : y->size);

    return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
}

static bool has(const struct text *line, const char *what)
{
    return memmem(line->data, line->size, what, strlen(what)) != NULL;
}

static const char busy[] =
    "--seed 3 --events 20000 --hours 6 --late-percent 3 --copy-percent 2 --moved-percent 1.5 --future-percent 0.5 "
    "--broken-percent 1 --utf8-percent 0.5";

Test(traffic, the_same_options_give_the_same_bytes)
{
    struct text a = traffic(busy), b = traffic(busy), other = traffic("--seed 4 --events 20000 --hours 6");

    cr_assert(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
    cr_assert(a.size != other.size || memcmp(a.data, other.data, a.size) != 0, "another seed gave the same traffic");
    free(a.data);
    free(b.data);
    free(other.data);
}

Test(traffic, the_summary_says_what_is_in_the_lines)
{
    char name[] = "/tmp/tally-traffic-XXXXXX", options[1024];
    int fd = mkstemp(name);
    struct text log, summary, *lines;
    uint64_t count = 0, copies = 0, moved = 0, future = 0, open = 0, times = 0, bad_times = 0;
    FILE *in;

    cr_assert(fd >= 0);
    snprintf(options, sizeof options, "%s --summary %s", busy, name);
    log = traffic(options);
    in = fdopen(fd, "r");
    summary = slurp(in);
    fclose(in);
    unlink(name);

    lines = calloc(log.size / 20, sizeof *lines);
    for (char *at = log.data, *end; at < log.data + log.size; at = end + 1) {
        end = memchr(at, '\n', (size_t)(log.data + log.size - at));
        cr_assert(end != NULL, "the last line does not end");
        lines[count++] = (struct text){at, (size_t)(end - at)};
    }
    qsort(lines, count, sizeof *lines, by_bytes);
    for (uint64_t i = 0; i < count; i++) {
        copies += i > 0 && by_bytes(&lines[i - 1], &lines[i]) == 0;
        moved += has(&lines[i], ",\"attempt\":2}");
        future += has(&lines[i], "\"event_time\":\"2099-");
        bad_times += has(&lines[i], "\"event_time\":\"yesterday\"");
        times += has(&lines[i], "\"event_time\":\"2025-") && lines[i].data[lines[i].size - 1] == '}';
        open += lines[i].data[0] == '{' && lines[i].data[lines[i].size - 1] != '}';
    }
    cr_expect_eq(count, 20000);
    cr_expect_eq(count, planted(summary.data, "lines"));
    cr_expect_eq(log.size, planted(summary.data, "bytes"));
    cr_expect_eq(copies, planted(summary.data, "copies_same"), "%" PRIu64 " equal lines", copies);
    cr_expect_eq(moved, planted(summary.data, "copies_moved"), "%" PRIu64 " lines were sent again", moved);
    cr_expect_eq(future, planted(summary.data, "future"), "%" PRIu64 " lines in 2099", future);
    cr_expect_eq(bad_times, planted(summary.data, "bad_event_time"));
    cr_expect_eq(open, planted(summary.data, "truncated"), "%" PRIu64 " truncated lines", open);
    cr_expect_eq(times, planted(summary.data, "countable") + copies + moved, "%" PRIu64 " lines with a time", times);
    cr_expect_eq(count, planted(summary.data, "countable") + copies + moved + future + planted(summary.data, "broken"));
    cr_expect(copies > 100 && moved > 100 && future > 20 && open > 10, "too few were planted to mean anything");
    free(lines);
    free(log.data);
    free(summary.data);
}
