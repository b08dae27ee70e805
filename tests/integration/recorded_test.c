/* recorded_test.c: threads that read a record side by side are given each message once, and what fails for one of them ends all. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "main/views.h"
#include "serving/recorded.h"
#include "support/record.h"
#include "support/run.h"

enum { PARTITIONS = 2, MESSAGES = 3000, THREADS_MAX = 8 };

static char dir[RUN_DIR_BYTES], data[300], views[300];
static struct tl_functions *functions;
static struct tl_plan *plan;
static struct tl_source_topics *topics;
static struct tl_master *master;
static struct tl_recorded recorded;
static struct tl_err err;

#define OK(call) cr_assert_eq((call), TL_OK, "%s", err.message)

/* Some hundred files of each partition, one block each. */
static void scene_open(void)
{
    struct tl_common_options common = {.data = data};
    struct run run = {0};

    run_folder_make(dir);
    snprintf(data, sizeof data, "%s/data", dir);
    cr_assert_eq(mkdir(data, 0777), 0);
    snprintf(views, sizeof views, "%s", run_file_write(dir, "views.sql", record_views));
    record_append(data, "events", PARTITIONS, 0, MESSAGES);
    RUN(&run, "archive", "--views", views, "--data", data, "--file-bytes", "2000");
    cr_assert_eq(run.status, 0, "%s", run.err);
    run_done(&run);
    OK(tl_views_open(&common, views, &functions, &plan, &err));
    OK(tl_source_topics_open(plan, &topics, &err));
    OK(tl_master_open(data, &master, &err));
    tl_recorded_init(&recorded, plan, topics, master, NULL);
}

static void scene_close(void)
{
    tl_recorded_done(&recorded);
    tl_master_close(master);
    tl_source_topics_close(topics);
    tl_views_close(functions, plan);
    run_folder_remove(dir);
}

TestSuite(recorded, .init = scene_open, .fini = scene_close, .timeout = 120);

/* What a thread has been given. */
struct given {
    atomic_int *times; /* per partition and offset */
    int fail_at;       /* its block of this number is one too many; 0: none is */
    int blocks;
};

static enum tl_code take(void *ctx, uint32_t partition, const struct tl_message *messages, size_t count, struct tl_err *why)
{
    struct given *given = ctx;
    char text[RECORD_TEXT_BYTES];

    given->blocks++;
    if (given->fail_at > 0 && given->blocks >= given->fail_at)
        return tl_fail(why, TL_ERR_LIMIT, "the %dth is one too many", given->blocks);
    for (size_t i = 0; i < count; i++) {
        struct tl_message want = record_message(messages[i].offset, text);

        atomic_fetch_add(&given->times[partition * MESSAGES + (uint32_t)messages[i].offset],
                         tl_sv_eq(messages[i].value, want.value) ? 1 : 100);
    }
    return TL_OK;
}

static void read_all(uint32_t threads, int64_t from_ms, int64_t to_ms, struct given given[THREADS_MAX],
                     atomic_int times[PARTITIONS * MESSAGES], enum tl_code want)
{
    struct tl_time_spans spans = {0};
    void *ctxs[THREADS_MAX];

    cr_assert(tl_time_spans_add(&spans, from_ms, to_ms));
    tl_time_spans_settle(&spans);
    memset(times, 0, PARTITIONS * MESSAGES * sizeof *times);
    for (uint32_t t = 0; t < threads; t++) {
        given[t].times = times;
        ctxs[t] = &given[t];
    }
    cr_assert_eq(tl_recorded_read(&recorded, 0, &spans, take, ctxs, threads, &err), want, "%s", err.message);
    tl_time_spans_done(&spans);
}

Test(recorded, each_message_once_on_any_number_of_threads)
{
    static atomic_int times[PARTITIONS * MESSAGES];

    for (uint32_t threads = 1; threads <= THREADS_MAX; threads++) {
        struct given given[THREADS_MAX] = {0};
        int blocks = 0;

        read_all(threads, INT64_MIN, INT64_MAX, given, times, TL_OK);
        for (int i = 0; i < PARTITIONS * MESSAGES; i++)
            cr_assert_eq(times[i], 1, "%u threads: message %d of partition %d, %d times", threads, i % MESSAGES, i / MESSAGES,
                         times[i]);
        for (uint32_t t = 0; t < threads; t++)
            blocks += given[t].blocks;
        cr_assert_gt(blocks, 100, "%d blocks: there is nothing to share", blocks);
    }
    cr_assert_eq(recorded.messages_count, THREADS_MAX * PARTITIONS * MESSAGES);
}

/* Every message with an event in the span, and not many more. */
Test(recorded, only_what_may_lie_in_the_span)
{
    static atomic_int times[PARTITIONS * MESSAGES];
    struct given given[THREADS_MAX] = {0};
    int read = 0;

    read_all(3, RECORD_START_MS + 1000 * 1000, RECORD_START_MS + 1100 * 1000, given, times, TL_OK);
    for (int i = 0; i < PARTITIONS * MESSAGES; i++) {
        int64_t offset = i % MESSAGES;

        cr_assert(offset <= 1000 || offset > 1100 || times[i] == 1, "message %d", i);
        read += times[i];
    }
    cr_assert_lt(read, PARTITIONS * 200);
}

/* The block that was read last is at hand, and is taken for no other. */
Test(recorded, one_message_after_the_other_in_any_order)
{
    enum { ALL = PARTITIONS * MESSAGES };
    static const int steps[] = {1, ALL - 1, 7, 1009};

    for (size_t s = 0; s < TL_COUNT(steps); s++) {
        for (int64_t i = 0; i < ALL; i++) {
            int64_t at = i * steps[s] % ALL, offset = at % MESSAGES;
            const struct tl_message *message;
            char text[RECORD_TEXT_BYTES];
            struct tl_message want = record_message(offset, text);

            OK(tl_recorded_find(&recorded, 0, (uint32_t)(at / MESSAGES), offset, &message, &err));
            cr_assert(message != NULL && message->offset == offset && tl_sv_eq(message->value, want.value), "%ld", (long)at);
        }
    }
}

Test(recorded, a_failure_ends_all)
{
    static atomic_int times[PARTITIONS * MESSAGES];

    for (uint32_t failing = 0; failing < 3; failing++) {
        struct given given[THREADS_MAX] = {0};

        given[0].fail_at = 50; /* where the other one comes too late to be given anything */
        given[failing].fail_at = 1;
        read_all(3, INT64_MIN, INT64_MAX, given, times, TL_ERR_LIMIT);
        cr_assert_not_null(strstr(err.message, "one too many"), "%s", err.message);
    }
}

Test(recorded, a_damaged_file_is_named)
{
    static atomic_int times[PARTITIONS * MESSAGES];
    const struct tl_recorded_topics *listed;
    struct given given[THREADS_MAX] = {0};
    const char *path;

    OK(tl_recorded_topics(&recorded, 0, &listed, &err));
    cr_assert_gt(listed->items[0].files_count, 100);
    path = listed->items[0].files[70].path;
    record_flip(path, 40);
    read_all(4, INT64_MIN, INT64_MAX, given, times, TL_ERR_CORRUPT);
    cr_assert_not_null(strstr(err.message, strrchr(path, '/') + 1), "%s", err.message);
}
