/* log_conformance.c: what every implementation of the log must do. */
#include "support/log_conformance.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define TOPIC tl_sv_from(topic)
#define ok(call) cr_assert_eq((call), TL_OK, "%s", err.message)

static struct tl_err err;
static const char *topic;
static int64_t marker;

static struct tl_log *opened(const struct log_under_test *t, enum tl_log_mode mode)
{
    struct tl_log *log = NULL;

    ok(t->open(t->ctx, mode, &log, &err));
    return log;
}

/* Each check begins so. */
static void begin(const struct log_under_test *t)
{
    topic = t->topic;
    marker = t->marker;
}

static struct tl_log *with_topic(const struct log_under_test *t, uint32_t partitions)
{
    struct tl_log *log;

    begin(t);
    log = opened(t, TL_LOG_APPEND);
    ok(tl_log_create_topic(log, TOPIC, partitions, &err));
    return log;
}

static void put(struct tl_log *log, uint32_t partition, const char *text)
{
    struct tl_log_record record = {.partition = partition, .log_ms = INT64_MIN, .value = tl_sv_from(text)};

    ok(tl_log_append(log, TOPIC, &record, 1, NULL, &err));
}

/* In one append, so that their offsets follow one another. */
static void put_numbers(struct tl_log *log, uint32_t partition, int from, int to)
{
    struct tl_log_record records[100];
    char texts[100][20];
    size_t count = (size_t)(to - from);

    cr_assert_leq(count, TL_COUNT(records));
    for (size_t i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "%d", from + (int)i);
        records[i] = (struct tl_log_record){.partition = partition, .log_ms = INT64_MIN, .value = tl_sv_from(texts[i])};
    }
    ok(tl_log_append(log, TOPIC, records, count, NULL, &err));
}

/* What arrived in pieces, put together. */
static struct tl_message gathered[512];
static char *gathered_bytes;
static size_t gathered_count, gathered_size;

static void gather(const struct tl_log_entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        const struct tl_message *message = &entries->messages[i];

        cr_assert_lt(gathered_count, TL_COUNT(gathered));
        cr_assert(TL_RESIZE(gathered_bytes, gathered_size + message->value.size + TL_MESSAGE_PADDING));
        memcpy(gathered_bytes + gathered_size, message->value.data != NULL ? message->value.data : "", message->value.size);
        gathered[gathered_count++] = *message;
        gathered_size += message->value.size;
    }
}

/* What was there when this was called, or what the limits give of it: as a reader does that wants to come to an end. */
static struct tl_log_entries get(struct tl_log *log, uint32_t partition, int64_t offset, size_t messages_max, size_t bytes_max)
{
    struct tl_log_entries entries = {0};
    int64_t first = 0, end = 0, next = offset, until_ms = tl_clock_monotonic_ms() + 20000;
    size_t at = 0;

    ok(tl_log_range(log, TOPIC, partition, &first, &end, &err));
    gathered_count = gathered_size = 0;
    do {
        cr_assert_lt(tl_clock_monotonic_ms(), until_ms, "%s partition %u: came to %lld of %lld", topic, partition,
                     (long long)next, (long long)end);
        ok(tl_log_read(log, TOPIC, partition, next, messages_max - gathered_count, bytes_max, &entries, &err));
        if (gathered_count == 0 && (entries.next_offset >= end || entries.count == messages_max || bytes_max < SIZE_MAX) &&
            (entries.count > 0 || entries.at_end))
            return entries;
        gather(&entries);
        next = entries.next_offset;
        if (entries.count == 0 && !entries.at_end)
            tl_log_wait(log, 100);
    } while (gathered_count < messages_max && (next < end || (gathered_count == 0 && !entries.at_end)));
    for (size_t i = 0; i < gathered_count; i++) {
        if (gathered[i].value.data != NULL)
            gathered[i].value.data = gathered_bytes + at;
        at += gathered[i].value.size;
    }
    entries.messages = gathered;
    entries.count = gathered_count;
    return entries;
}

/* An error that the log knows of only when somebody has answered. */
static enum tl_code read_fails(struct tl_log *log, uint32_t partition, int64_t offset, struct tl_log_entries *entries)
{
    struct tl_log_entries got = *entries;
    enum tl_code rc;

    for (int i = 0; i < 100; i++) {
        rc = tl_log_read(log, TOPIC, partition, offset, 100, 100, &got, &err);
        if (rc != TL_OK || got.count > 0 || got.at_end)
            break;
        tl_log_wait(log, 100);
        got = *entries;
    }
    *entries = got;
    return rc;
}

static struct tl_log_entries get_all(struct tl_log *log, uint32_t partition, int64_t offset)
{
    return get(log, partition, offset, 1000000, SIZE_MAX);
}

static void is_text(const struct tl_message *message, const char *want)
{
    cr_assert(tl_sv_eq(message->value, tl_sv_from(want)), "offset %lld: %.*s instead of %s", (long long)message->offset,
              TL_SV_ARG(message->value), want);
}

static void is_range(struct tl_log *log, uint32_t partition, int64_t want_first, int64_t want_end)
{
    int64_t first = -1, end = -1;

    ok(tl_log_range(log, TOPIC, partition, &first, &end, &err));
    cr_assert_eq(first, want_first, "first %lld, not %lld", (long long)first, (long long)want_first);
    cr_assert_eq(end, want_end, "end %lld, not %lld", (long long)end, (long long)want_end);
}

static void entries_come_back_in_order(const struct log_under_test *t)
{
    struct tl_log *log = with_topic(t, 2);
    struct tl_log_record batch[] = {
        {.partition = 0, .log_ms = 100, .value = TL_SV("a")},
        {.partition = 1, .log_ms = 200, .value = TL_SV("b")},
        {.partition = 0, .log_ms = 300, .value = TL_SV("c")}
    };
    struct tl_log_entries entries;

    is_range(log, 0, 0, 0);
    entries = get_all(log, 0, 0);
    cr_assert_eq(entries.count, 0);
    cr_assert_eq(entries.next_offset, 0);
    cr_assert(entries.at_end);

    ok(tl_log_append(log, TOPIC, batch, TL_COUNT(batch), NULL, &err));
    entries = get_all(log, 0, 0);
    cr_assert_eq(entries.count, 2);
    is_text(&entries.messages[0], "a");
    is_text(&entries.messages[1], "c");
    cr_assert_eq(entries.messages[0].offset, 0);
    cr_assert_eq(entries.messages[1].offset, 1);
    cr_assert_eq(entries.messages[0].log_ms, 100);
    cr_assert_eq(entries.messages[1].log_ms, 300);
    cr_assert_eq(entries.next_offset, 2 + marker);
    cr_assert(entries.at_end);
    entries = get_all(log, 1, 0);
    cr_assert_eq(entries.count, 1);
    is_text(&entries.messages[0], "b");
    entries = get_all(log, 0, 1);
    cr_assert_eq(entries.count, 1);
    is_text(&entries.messages[0], "c");
    is_range(log, 0, 0, 2 + marker);
    is_range(log, 1, 0, 1 + marker);
    tl_log_close(log);
    tl_log_close(NULL);
}

static void limits_of_a_read(const struct log_under_test *t)
{
    struct tl_log *log = with_topic(t, 1);
    struct tl_log_entries entries;

    put_numbers(log, 0, 10, 20); /* two bytes each */
    entries = get(log, 0, 0, 3, SIZE_MAX);
    cr_assert_eq(entries.count, 3);
    cr_assert_eq(entries.next_offset, 3);
    cr_assert_not(entries.at_end);
    entries = get(log, 0, 3, 1000, 7);
    cr_assert_eq(entries.count, 3, "seven bytes hold three of two, not %zu", entries.count);
    is_text(&entries.messages[0], "13");
    cr_assert_eq(entries.next_offset, 6);
    entries = get(log, 0, 6, 1000, 1);
    cr_assert_eq(entries.count, 1, "at least one, however small the limit");
    entries = get(log, 0, 7, 3, SIZE_MAX);
    cr_assert_eq(entries.count, 3);
    if (marker == 0)
        cr_assert(entries.at_end, "the last one was among them");
    entries = get(log, 0, 10, 3, SIZE_MAX);
    cr_assert_eq(entries.count, 0);
    cr_assert(entries.at_end);
    cr_assert_eq(entries.next_offset, 10 + marker);
    tl_log_close(log);
}

static void offsets_are_never_reissued(const struct log_under_test *t)
{
    struct tl_log *log = with_topic(t, 2);
    struct tl_log_entries entries;
    int64_t end = 10 + marker;

    put_numbers(log, 0, 0, 10);
    put_numbers(log, 1, 0, 1);
    ok(tl_log_trim(log, TOPIC, 0, 4, &err));
    is_range(log, 0, 4, end);
    is_range(log, 1, 0, 1 + marker);
    entries = get_all(log, 0, 4);
    cr_assert_eq(entries.count, 6);
    is_text(&entries.messages[0], "4");
    ok(tl_log_trim(log, TOPIC, 0, 2, &err)); /* already gone */
    is_range(log, 0, 4, end);
    ok(tl_log_trim(log, TOPIC, 0, end, &err)); /* all of them */
    is_range(log, 0, end, end);
    tl_log_close(log);

    log = opened(t, TL_LOG_APPEND);
    put(log, 0, "new");
    is_range(log, 0, end, end + 1 + marker);
    entries = get_all(log, 0, end);
    cr_assert_eq(entries.count, 1);
    cr_assert_eq(entries.messages[0].offset, end);
    ok(tl_log_trim(log, TOPIC, 0, 1000, &err)); /* not beyond the end */
    is_range(log, 0, end + 1 + marker, end + 1 + marker);
    tl_log_close(log);
}

static void an_offset_out_of_range_names_the_gap(const struct log_under_test *t)
{
    struct tl_log *log = with_topic(t, 1);
    struct tl_log_entries entries = {.next_offset = -7};
    char want[100];

    put_numbers(log, 0, 0, 10);
    ok(tl_log_trim(log, TOPIC, 0, 4, &err));
    cr_assert_eq(read_fails(log, 0, 1, &entries), TL_ERR_GAP, "%s", err.message);
    cr_assert_eq(entries.next_offset, -7, "*out is written on success only");
    snprintf(want, sizeof want, "topic %s partition 0: offset out of range", topic);
    cr_assert_not_null(strstr(err.message, want), "%s", err.message);
    cr_assert_not_null(strstr(err.message, "the 3 entries 1 to 3 are gone"), "%s", err.message);
    cr_assert_eq(read_fails(log, 0, 12 + marker, &entries), TL_ERR_GAP, "%s", err.message);
    snprintf(want, sizeof want, "the 2 entries %d to %d are missing", 10 + (int)marker, 11 + (int)marker);
    cr_assert_not_null(strstr(err.message, want), "%s", err.message);
    cr_assert_eq(get_all(log, 0, 4).count, 6, "the handle goes on");
    tl_log_close(log);
}

static void gaps_are_passed_over(const struct log_under_test *t)
{
    struct tl_log *log = with_topic(t, 1);
    struct tl_log_entries entries;

    if (t->make_gap == NULL)
        cr_skip_test("this log makes no gaps");
    put_numbers(log, 0, 0, 6);
    for (int64_t offset = 2; offset < 6; offset++)
        if (offset != 4)
            t->make_gap(t->ctx, topic, 0, offset);
    entries = get(log, 0, 0, 2, SIZE_MAX);
    cr_assert_eq(entries.next_offset, 2);
    cr_assert_not(entries.at_end);
    entries = get_all(log, 0, 2);
    cr_assert_eq(entries.count, 1);
    cr_assert_eq(entries.messages[0].offset, 4);
    cr_assert_eq(entries.next_offset, 6, "behind the gap at the end too");
    cr_assert(entries.at_end);
    entries = get_all(log, 0, 5);
    cr_assert_eq(entries.count, 0);
    cr_assert_eq(entries.next_offset, 6);
    cr_assert(entries.at_end);
    tl_log_close(log);
}

static void values_of_every_size(const struct log_under_test *t)
{
    enum { LARGE = 8 << 20 };
    struct tl_log *log = with_topic(t, 1);
    char *large = malloc(LARGE);
    struct tl_log_record batch[] = {
        {.partition = 0, .log_ms = 1, .value = {NULL, 0}      },
        {.partition = 0, .log_ms = 2, .value = {"", 0}        },
        {.partition = 0, .log_ms = 3, .value = {"\0\xff\n", 3}},
        {.partition = 0, .log_ms = 4, .value = {large, LARGE} },
        {.partition = 0, .log_ms = 5, .value = {NULL, 0}      },
        {.partition = 0, .log_ms = 6, .value = TL_SV("last")  },
    };
    struct tl_log_entries entries;

    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)(i * 2654435761u >> 13);
    ok(tl_log_append(log, TOPIC, batch, TL_COUNT(batch), NULL, &err));
    entries = get_all(log, 0, 0);
    cr_assert_eq(entries.count, TL_COUNT(batch));
    for (size_t i = 0; i < TL_COUNT(batch); i++) {
        const struct tl_sv value = entries.messages[i].value;

        cr_assert_eq(value.data == NULL, batch[i].value.data == NULL, "entry %zu: a tombstone is none, and empty is no tombstone",
                     i);
        cr_assert_eq(value.size, batch[i].value.size);
        cr_assert(value.size == 0 || memcmp(value.data, batch[i].value.data, value.size) == 0, "entry %zu", i);
    }
    entries = get(log, 0, 3, 100, 1000);
    cr_assert_eq(entries.count, 1);
    cr_assert_eq(entries.messages[0].value.size, LARGE);
    free(large);
    tl_log_close(log);
}

/* Under the address sanitizer a byte beyond the block ends the test. */
static void padding_is_readable(const struct log_under_test *t)
{
    struct tl_log *log = with_topic(t, 1);
    int64_t end = 0;
    unsigned sum = 0;

    for (int round = 0; round < (marker == 0 ? 200 : 20); round++) {
        struct tl_log_entries entries;

        put(log, 0, "x");
        entries = get_all(log, 0, round % 7 == 0 ? 0 : end);
        for (size_t i = 0; i < entries.count; i++)
            for (size_t b = 0; b < entries.messages[i].value.size + TL_MESSAGE_PADDING; b++)
                sum += (unsigned char)entries.messages[i].value.data[b];
        end = entries.next_offset;
    }
    cr_assert_gt(sum, 0);
    tl_log_close(log);
}

static void a_reader_sees_what_another_handle_appends(const struct log_under_test *t)
{
    struct tl_log *writer = with_topic(t, 1), *reader = opened(t, TL_LOG_READ);
    struct tl_log_record record = {.partition = 0, .log_ms = 1, .value = TL_SV("no")};

    cr_assert_eq(get_all(reader, 0, 0).count, 0);
    for (int i = 0; i < 20; i++) {
        put_numbers(writer, 0, i, i + 1);
        cr_assert_eq(get_all(reader, 0, i * (1 + marker)).count, 1);
    }
    is_range(reader, 0, 0, 20 * (1 + marker));
    cr_assert_neq(tl_log_append(reader, TOPIC, &record, 1, NULL, &err), TL_OK, "a reader does not write");
    ok(tl_log_create_topic(writer, TOPIC, 3, &err));
    is_range(reader, 2, 0, 0);
    tl_log_close(writer);
    tl_log_close(reader);
}

static void topics_have_an_identity(const struct log_under_test *t)
{
    struct tl_log *log = opened(t, TL_LOG_APPEND);
    uint32_t partitions = 77;
    uint64_t one = 0, two = 0, again = 0;
    int64_t first = -1, end = -1;
    char other[200], want[220];

    begin(t);
    snprintf(other, sizeof other, "%s-other", topic);
    snprintf(want, sizeof want, "no topic %s", topic);
    cr_assert_eq(tl_log_topic(log, TOPIC, &partitions, &one, &err), TL_ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.message, want), "%s", err.message);
    cr_assert_eq(partitions, 77);
    ok(tl_log_create_topic(log, TOPIC, 0, &err));
    ok(tl_log_create_topic(log, tl_sv_from(other), 4, &err));
    ok(tl_log_topic(log, TOPIC, &partitions, &one, &err));
    cr_assert_eq(partitions, 1);
    cr_assert_neq(one, 0);
    ok(tl_log_topic(log, tl_sv_from(other), &partitions, &two, &err));
    cr_assert_eq(partitions, 4);
    cr_assert_neq(one, two);
    cr_assert_eq(tl_log_range(log, TOPIC, 1, &first, &end, &err), TL_ERR_NOT_FOUND);
    cr_assert_not_null(strstr(err.message, "no partition 1"), "%s", err.message);
    tl_log_close(log);
    log = opened(t, TL_LOG_APPEND);
    ok(tl_log_topic(log, TOPIC, &partitions, &again, &err));
    cr_assert_eq(one, again);
    tl_log_close(log);
}

static void partitions_are_raised_and_never_lowered(const struct log_under_test *t)
{
    struct tl_log *log = with_topic(t, 2);
    uint32_t partitions = 0;
    uint64_t before = 0, after = 0;

    put(log, 1, "one");
    ok(tl_log_topic(log, TOPIC, &partitions, &before, &err));
    ok(tl_log_create_topic(log, TOPIC, 5, &err));
    put(log, 4, "four");
    ok(tl_log_create_topic(log, TOPIC, 1, &err));
    ok(tl_log_create_topic(log, TOPIC, 0, &err));
    ok(tl_log_topic(log, TOPIC, &partitions, &after, &err));
    cr_assert_eq(partitions, 5);
    cr_assert_eq(before, after, "more partitions make no other topic");
    cr_assert_eq(get_all(log, 1, 0).count, 1);
    cr_assert_eq(get_all(log, 4, 0).count, 1);
    cr_assert_eq(get_all(log, 3, 0).count, 0);
    tl_log_close(log);
}

struct seen {
    int count, count_max;
    char text[400];
};

static bool see(void *ctx, struct tl_sv key, struct tl_sv value)
{
    struct seen *seen = ctx;
    size_t at = strlen(seen->text);

    seen->count++;
    snprintf(seen->text + at, sizeof seen->text - at, "%.*s=%.*s;", TL_SV_ARG(key), TL_SV_ARG(value));
    return seen->count < seen->count_max;
}

static void are_notes(struct tl_log *log, struct tl_sv prefix, int count_max, const char *want)
{
    struct seen seen = {.count_max = count_max};

    ok(tl_log_notes(log, TOPIC, prefix, see, &seen, &err));
    cr_assert_str_eq(seen.text, want);
}

static void notes_are_kept_with_the_append(const struct log_under_test *t)
{
    struct tl_log *log = with_topic(t, 1);
    struct tl_log_record good =
                             {
                                 0, 1, TL_SV("x")
    },
                         bad[] = {{0, 1, TL_SV("y")}, {9, 1, TL_SV("z")}};
    struct tl_log_note note = {TL_SV("import:a"), TL_SV("1")};

    are_notes(log, TL_SV(""), 100, "");
    ok(tl_log_append(log, TOPIC, &good, 1, &note, &err));
    are_notes(log, TL_SV("import:"), 100, "import:a=1;");
    note.value = TL_SV("2");
    cr_assert_neq(tl_log_append(log, TOPIC, bad, 2, &note, &err), TL_OK, "there is no partition 9");
    are_notes(log, TL_SV("import:"), 100, "import:a=1;");
    is_range(log, 0, 0, 1 + marker);
    ok(tl_log_append(log, TOPIC, NULL, 0, &note, &err));
    are_notes(log, TL_SV("import:"), 100, "import:a=2;");
    is_range(log, 0, 0, 1 + marker);
    note.key = TL_SV("import:b");
    ok(tl_log_append(log, TOPIC, NULL, 0, &note, &err));
    note.key = TL_SV("imports");
    ok(tl_log_append(log, TOPIC, NULL, 0, &note, &err));
    note = (struct tl_log_note){
        {"import:\xff", 8},
        {"",            0}
    };
    ok(tl_log_append(log, TOPIC, NULL, 0, &note, &err));
    are_notes(log, TL_SV("import:"), 100, "import:a=2;import:b=2;import:\xff=;");
    are_notes(log, TL_SV(""), 100, "import:a=2;import:b=2;import:\xff=;imports=2;");
    are_notes(log, TL_SV("import:"), 2, "import:a=2;import:b=2;");
    are_notes(log, TL_SV("x"), 100, "");
    tl_log_close(log);
}

static void a_failed_append_leaves_nothing(const struct log_under_test *t)
{
    struct tl_log *log = with_topic(t, 2);
    struct tl_log_record batch[] = {
        {.partition = 0, .log_ms = 5, .value = TL_SV("a")},
        {.partition = 1, .log_ms = 5, .value = TL_SV("b")},
        {.partition = 2, .log_ms = 5, .value = TL_SV("c")}
    };
    struct tl_log_entries entries;

    cr_assert_eq(tl_log_append(log, TOPIC, batch, 3, NULL, &err), TL_ERR_NOT_FOUND);
    is_range(log, 0, 0, 0);
    is_range(log, 1, 0, 0);
    cr_assert_eq(tl_log_append(log, TL_SV("nowhere"), batch, 1, NULL, &err), TL_ERR_NOT_FOUND);
    ok(tl_log_append(log, TOPIC, batch, 2, NULL, &err));
    entries = get_all(log, 0, 0);
    cr_assert_eq(entries.count, 1);
    cr_assert_eq(entries.messages[0].offset, 0, "the offset was not used up");
    tl_log_close(log);
}

static void log_timestamps_do_not_go_back(const struct log_under_test *t)
{
    struct tl_log *log = with_topic(t, 2);
    int64_t ahead = tl_clock_wall_ms() + 1000000, before = tl_clock_wall_ms();
    struct tl_log_record batch[] = {
        {.partition = 0, .log_ms = ahead,     .value = TL_SV("a")},
        {.partition = 0, .log_ms = INT64_MIN, .value = TL_SV("b")},
        {.partition = 1, .log_ms = INT64_MIN, .value = TL_SV("c")}
    };
    struct tl_log_entries entries;

    ok(tl_log_append(log, TOPIC, batch, TL_COUNT(batch), NULL, &err));
    put(log, 0, "d");
    entries = get_all(log, 0, 0);
    cr_assert_eq(entries.messages[1].log_ms, ahead, "now, but never below the one before");
    cr_assert_eq(entries.messages[2].log_ms, ahead);
    entries = get_all(log, 1, 0);
    cr_assert_geq(entries.messages[0].log_ms, before, "each partition for itself");
    cr_assert_lt(entries.messages[0].log_ms, ahead);
    tl_log_close(log);
}

struct later {
    struct tl_log *log;
    int64_t after_ms;
};

static void *append_later(void *ctx)
{
    struct later *later = ctx;

    tl_clock_sleep_ms(later->after_ms);
    put(later->log, 0, "late");
    return NULL;
}

static void a_wait_ends_when_something_comes(const struct log_under_test *t)
{
    struct tl_log *writer = with_topic(t, 2), *reader = opened(t, TL_LOG_READ);
    struct later later = {writer, 60};
    int64_t began_ms, took_ms;
    pthread_t thread;

    cr_assert_eq(get_all(reader, 0, 0).count, 0);
    cr_assert_eq(get_all(reader, 1, 0).count, 0);
    while (tl_log_wait(reader, 50)) /* whatever came before */
        ;
    began_ms = tl_clock_monotonic_ms();
    cr_assert_not(tl_log_wait(reader, 50));
    took_ms = tl_clock_monotonic_ms() - began_ms;
    cr_assert_geq(took_ms, 49, "nothing came: the whole time, not %lld ms", (long long)took_ms);

    began_ms = tl_clock_monotonic_ms();
    cr_assert_eq(pthread_create(&thread, NULL, append_later, &later), 0);
    cr_assert(tl_log_wait(reader, 20000));
    took_ms = tl_clock_monotonic_ms() - began_ms;
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_lt(took_ms, 10000, "%lld ms", (long long)took_ms);
    cr_assert_eq(get_all(reader, 0, 0).count, 1);

    /* What is appended to a partition between its read and the wait must not be slept over, though another one was read since. */
    tl_log_wait(reader, 0);
    cr_assert_eq(get_all(reader, 0, 1).count, 0);
    put(writer, 0, "between");
    cr_assert_eq(get_all(reader, 1, 0).count, 0);
    began_ms = tl_clock_monotonic_ms();
    cr_assert(tl_log_wait(reader, 20000));
    cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 10000);

    tl_log_wait(writer, 0);
    put(writer, 0, "own");
    began_ms = tl_clock_monotonic_ms();
    cr_assert(tl_log_wait(writer, 20000));
    cr_assert_lt(tl_clock_monotonic_ms() - began_ms, 10000, "by anyone: by this handle too");
    tl_log_close(writer);
    tl_log_close(reader);
}

static void two_writers_take_turns(const struct log_under_test *t)
{
    struct tl_log *one = with_topic(t, 1), *two = opened(t, TL_LOG_APPEND);
    struct tl_log_entries entries;

    for (int i = 0; i < 10; i++) {
        put(one, 0, "one");
        put(two, 0, "two");
    }
    entries = get_all(one, 0, 0);
    cr_assert_eq(entries.count, 20);
    for (size_t i = 0; i < entries.count; i++) {
        cr_assert_eq(entries.messages[i].offset, (int64_t)i * (1 + marker));
        is_text(&entries.messages[i], i % 2 == 0 ? "one" : "two");
    }
    tl_log_close(one);
    tl_log_close(two);
}

static int64_t place_of(struct tl_log *log, const struct tl_log_place *place)
{
    int64_t offset = -1;

    ok(tl_log_place(log, TOPIC, 0, place, &offset, &err));
    return offset;
}

static void places(const struct log_under_test *t)
{
    static const struct tl_log_offset offsets[] = {
        {0, 2 },
        {7, 70}
    };
    struct tl_log *log = with_topic(t, 2);
    struct tl_log_record batch[] = {
        {.partition = 0, .log_ms = 1000, .value = TL_SV("a")},
        {.partition = 0, .log_ms = 2000, .value = TL_SV("b")},
        {.partition = 0, .log_ms = 3000, .value = TL_SV("c")},
        {.partition = 0, .log_ms = 4000, .value = TL_SV("d")}
    };
    int64_t end = 4 + marker, offset = -7;

    ok(tl_log_append(log, TOPIC, batch, TL_COUNT(batch), NULL, &err));
    ok(tl_log_trim(log, TOPIC, 0, 1, &err));
    cr_assert_eq(place_of(log, &(struct tl_log_place){.kind = TL_PLACE_EARLIEST}), 1);
    cr_assert_eq(place_of(log, &(struct tl_log_place){.kind = TL_PLACE_LATEST}), end);
    cr_assert_eq(place_of(log, &(struct tl_log_place){.kind = TL_PLACE_TIMESTAMP, .timestamp_ms = 0}), 1);
    cr_assert_eq(place_of(log, &(struct tl_log_place){.kind = TL_PLACE_TIMESTAMP, .timestamp_ms = 2001}), 2);
    cr_assert_eq(place_of(log, &(struct tl_log_place){.kind = TL_PLACE_TIMESTAMP, .timestamp_ms = 3000}), 2);
    offset = place_of(log, &(struct tl_log_place){.kind = TL_PLACE_TIMESTAMP, .timestamp_ms = 4001});
    cr_assert(offset >= end - marker && offset <= end, "none: the end, %lld not %lld", (long long)end, (long long)offset);
    offset = -7;
    cr_assert_eq(place_of(log, &(struct tl_log_place){.kind = TL_PLACE_OFFSETS, .offsets = offsets, .offsets_count = 2}), 2);
    cr_assert_eq(place_of(log, &(struct tl_log_place){.kind = TL_PLACE_OFFSETS, .offsets = offsets + 1, .offsets_count = 1}), 1);
    cr_assert_eq(tl_log_place(log, TOPIC, 0, &(struct tl_log_place){.kind = TL_PLACE_GROUP}, &offset, &err), TL_ERR_NOT_FOUND);
    cr_assert_eq(tl_log_place(log, TOPIC, 5, &(struct tl_log_place){.kind = TL_PLACE_LATEST}, &offset, &err), TL_ERR_NOT_FOUND);
    cr_assert_eq(offset, -7);
    tl_log_close(log);
}

static void fingerprints(const struct log_under_test *t)
{
    struct tl_log *log = with_topic(t, 1);
    struct tl_log_record batch[] = {
        {.partition = 0, .log_ms = 1000, .value = TL_SV("a")},
        {.partition = 0, .log_ms = 1000, .value = TL_SV("b")},
        {.partition = 0, .log_ms = 1001, .value = TL_SV("b")},
        {.partition = 0, .log_ms = 1001, .value = TL_SV("b")},
        {.partition = 0, .log_ms = 1001, .value = {NULL, 0} },
        {.partition = 0, .log_ms = 1001, .value = {"", 0}   },
    };
    uint64_t prints[TL_COUNT(batch)], again = 0;
    struct tl_log_entries entries;

    ok(tl_log_append(log, TOPIC, batch, TL_COUNT(batch), NULL, &err));
    for (size_t i = 0; i < TL_COUNT(batch); i++)
        ok(tl_log_fingerprint(log, TOPIC, 0, (int64_t)i, &prints[i], &err));
    for (size_t i = 0; i < TL_COUNT(batch); i++) {
        cr_assert_neq(prints[i], 0);
        for (size_t k = 0; k < i; k++)
            cr_assert_eq(prints[i] == prints[k], i == 3 && k == 2, "%zu and %zu: value, timestamp, and whether there is a value",
                         i, k);
    }
    entries = get_all(log, 0, 0);
    cr_assert_eq(entries.count, TL_COUNT(batch));
    for (size_t i = 0; i < entries.count; i++)
        cr_assert_eq(tl_log_fingerprint_of(&entries.messages[i]), prints[i]);
    ok(tl_log_trim(log, TOPIC, 0, 1, &err));
    cr_assert_eq(tl_log_fingerprint(log, TOPIC, 0, 0, &again, &err), TL_ERR_NOT_FOUND, "%s", err.message);
    cr_assert_eq(tl_log_fingerprint(log, TOPIC, 0, (int64_t)TL_COUNT(batch) + marker, &again, &err), TL_ERR_NOT_FOUND);
    cr_assert_eq(tl_log_fingerprint(log, TOPIC, 0, 99, &again, &err), TL_ERR_NOT_FOUND);
    cr_assert_eq(again, 0);
    tl_log_close(log);
}

static void the_end_is_heard_of(const struct log_under_test *t)
{
    struct tl_log *log = with_topic(t, 1);
    int64_t end = -1;

    put_numbers(log, 0, 0, 5);
    get_all(log, 0, 0);
    for (int i = 0; i < 100 && end != 5 + marker; i++)
        if (!tl_log_end_heard(log, TOPIC, 0, &end) || end != 5 + marker)
            tl_clock_sleep_ms(50);
    cr_assert_eq(end, 5 + marker);
    cr_assert_not(tl_log_end_heard(log, TOPIC, 3, &end));
    tl_log_close(log);
}

/* Those that begin with the topic's name, each with a blank behind it; `stop`: only the first of all. */
struct name_list {
    char text[1000];
    size_t calls;
    bool stop;
};

static bool list_name(void *ctx, struct tl_sv name)
{
    struct name_list *list = ctx;
    size_t size = strlen(list->text);

    list->calls++;
    if (tl_sv_starts(name, TOPIC))
        snprintf(list->text + size, sizeof list->text - size, "%.*s ", TL_SV_ARG(name));
    return !list->stop;
}

/* Others may be in the same log. */
static void topics_are_listed_by_name(const struct log_under_test *t)
{
    static const char *const endings[] = {"-other", "", "-OTHER", "_other"};
    const struct tl_log_note note = {TL_SV("key"), TL_SV("value")};
    struct name_list list = {.calls = 0}, first = {.stop = true};
    char name[200], want[1000] = "";
    struct tl_log *log;

    begin(t);
    log = opened(t, TL_LOG_APPEND);
    for (size_t i = 0; i < TL_COUNT(endings); i++) {
        snprintf(name, sizeof name, "%s%s", topic, endings[i]);
        ok(tl_log_create_topic(log, tl_sv_from(name), 2, &err));
    }
    ok(tl_log_append(log, TOPIC, NULL, 0, &note, &err)); /* what keeps it is no topic to be read */
    ok(tl_log_topics(log, list_name, &list, &err));
    snprintf(want, sizeof want, "%s %s-OTHER %s-other %s_other ", topic, topic, topic, topic);
    cr_assert_str_eq(list.text, want);
    ok(tl_log_topics(log, list_name, &first, &err));
    cr_assert_eq(first.calls, 1);
    tl_log_close(log);
}

const struct log_check log_checks[] = {
    {"entries come back in order",                entries_come_back_in_order               },
    {"limits of a read",                          limits_of_a_read                         },
    {"offsets are never reissued",                offsets_are_never_reissued               },
    {"an offset out of range names the gap",      an_offset_out_of_range_names_the_gap     },
    {"gaps are passed over",                      gaps_are_passed_over                     },
    {"values of every size",                      values_of_every_size                     },
    {"padding is readable",                       padding_is_readable                      },
    {"a reader sees what another handle appends", a_reader_sees_what_another_handle_appends},
    {"topics have an identity",                   topics_have_an_identity                  },
    {"topics are listed by name",                 topics_are_listed_by_name                },
    {"partitions are raised and never lowered",   partitions_are_raised_and_never_lowered  },
    {"notes are kept with the append",            notes_are_kept_with_the_append           },
    {"a failed append leaves nothing",            a_failed_append_leaves_nothing           },
    {"log timestamps do not go back",             log_timestamps_do_not_go_back            },
    {"a wait ends when something comes",          a_wait_ends_when_something_comes         },
    {"two writers take turns",                    two_writers_take_turns                   },
    {"places",                                    places                                   },
    {"fingerprints",                              fingerprints                             },
    {"the end is heard of",                       the_end_is_heard_of                      },
};
const size_t log_checks_count = TL_COUNT(log_checks);
