/* archive_verify.c: is the master record sound? See archive_verify.h. */
#include "archive_verify.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "main/print.h"
#include "main/progress.h"
#include "main/stop.h"
#include "master/master.h"

enum { JOBS_MAX = 64 };

/* A row of the answer. */
struct finding {
    uint32_t topic, partition;
    const char *what;
    bool wrong;
    int64_t first_offset, last_offset; /* -1: not known */
    uint64_t files_count, messages_count, bytes;
    struct tl_sv file, detail;
    size_t order; /* in which it was found */
};

/* A file that is read, by whichever thread is free. */
struct check {
    uint32_t topic;
    const struct tl_master_file *file;
    enum tl_code rc;
    const char *message;
};

struct topic {
    struct tl_sv name;
    struct tl_master_list list;
};

struct verify {
    struct tl_master *master;
    struct tl_arena arena;
    struct topic *topics;
    uint32_t topics_count;
    struct finding *findings;
    size_t findings_count, findings_capacity;
    uint64_t wrong_count;
    struct check *checks;
    size_t checks_count, checks_capacity;

    /* What the threads share. */
    pthread_mutex_t lock;
    size_t next_check;
    uint64_t bytes_done, bytes_count;
    struct tl_progress progress;
    enum tl_code failure; /* of a thread, not of a file */
    struct tl_err err;
};

/* ---- findings ---- */

static enum tl_code found(struct verify *verify, const struct finding *finding, struct tl_err *err)
{
    struct finding *mine;

    if (verify->findings_count == verify->findings_capacity) {
        size_t capacity = verify->findings_capacity * 2 + 64;

        if (!TL_RESIZE(verify->findings, capacity))
            return tl_fail_memory(err, capacity * sizeof *verify->findings);
        verify->findings_capacity = capacity;
    }
    mine = &verify->findings[verify->findings_count];
    *mine = *finding;
    mine->order = verify->findings_count;
    if (!tl_arena_copy(&verify->arena, finding->file, &mine->file) ||
        !tl_arena_copy(&verify->arena, finding->detail, &mine->detail))
        return tl_fail_memory(err, finding->file.size + finding->detail.size);
    verify->findings_count++;
    verify->wrong_count += finding->wrong;
    return TL_OK;
}

/* By topic and partition; within one in the order in which they were found. */
static int finding_order(const void *a, const void *b)
{
    const struct finding *left = a, *right = b;

    if (left->topic != right->topic)
        return left->topic < right->topic ? -1 : 1;
    if (left->partition != right->partition)
        return left->partition < right->partition ? -1 : 1;
    return (left->order > right->order) - (left->order < right->order);
}

/* ---- what is there, and what is not ---- */

static enum tl_code topic_add(void *ctx, struct tl_sv name, struct tl_err *err)
{
    struct verify *verify = ctx;

    if (!TL_RESIZE(verify->topics, verify->topics_count + 1))
        return tl_fail_memory(err, sizeof *verify->topics);
    verify->topics[verify->topics_count] = (struct topic){0};
    if (!tl_arena_copy(&verify->arena, name, &verify->topics[verify->topics_count].name))
        return tl_fail_memory(err, name.size);
    verify->topics_count++;
    return TL_OK;
}

static int topic_order(const void *a, const void *b)
{
    const struct topic *left = a, *right = b;

    return tl_sv_cmp(left->name, right->name);
}

struct leftover_ctx {
    struct verify *verify;
    uint32_t topic;
};

/* Is it the index, or the others, of a file that is gone? */
static bool is_of_missing(const struct tl_master_list *list, const char *path)
{
    for (size_t d = 0; d < list->damage_count; d++) {
        const char *data_path = list->damage[d].path, *ending = strstr(strrchr(path, '/'), ".");
        size_t size = ending == NULL ? 0 : (size_t)(ending - path);

        if (list->damage[d].missing && size > 0 && strncmp(data_path, path, size) == 0 && data_path[size] == '.')
            return true;
    }
    return false;
}

static enum tl_code leftover_add(void *ctx, uint32_t partition, const char *path, struct tl_err *err)
{
    struct leftover_ctx *leftover = ctx;
    struct finding finding = {.topic = leftover->topic,
                              .partition = partition,
                              .what = "leftover",
                              .first_offset = -1,
                              .last_offset = -1,
                              .file = tl_sv_from(path),
                              .detail = TL_SV("left by what was killed, and read by nobody")};

    if (is_of_missing(&leftover->verify->topics[leftover->topic].list, path))
        return TL_OK;
    return found(leftover->verify, &finding, err);
}

/* Nobody can say whether a file is gone there. */
static enum tl_code gaps_report(struct verify *verify, uint32_t t, struct tl_err *err)
{
    const struct tl_master_list *list = &verify->topics[t].list;
    enum tl_code rc = TL_OK;

    for (size_t g = 0; g < list->gaps_count; g++) {
        const struct tl_master_gap *gap = &list->gaps[g];
        struct finding finding = {
            .topic = t,
            .partition = gap->partition,
            .what = "gap",
            .first_offset = gap->first_offset,
            .last_offset = gap->last_offset,
            .detail = TL_SV("no file has them; the log had none, or a file is gone: the index behind is too old to tell")};

        TL_TRY(found(verify, &finding, err));
    }
out:
    return rc;
}

static enum tl_code damage_report(struct verify *verify, uint32_t t, struct tl_err *err)
{
    const struct tl_master_list *list = &verify->topics[t].list;
    enum tl_code rc = TL_OK;

    for (size_t d = 0; d < list->damage_count; d++) {
        const struct tl_master_damage *damage = &list->damage[d];
        struct finding finding = {.topic = t,
                                  .partition = damage->partition,
                                  .what = damage->overlaps  ? "overlap"
                                          : damage->missing ? "missing"
                                                            : "damaged",
                                  .wrong = true,
                                  .first_offset = damage->first_offset,
                                  .last_offset = damage->last_offset,
                                  .file = tl_sv_from(damage->path),
                                  .detail = tl_sv_from(damage->message)};

        TL_TRY(found(verify, &finding, err));
    }
out:
    return rc;
}

static enum tl_code partitions_report(struct verify *verify, uint32_t t, struct tl_err *err)
{
    const struct tl_master_list *list = &verify->topics[t].list;
    enum tl_code rc = TL_OK;

    for (size_t f = 0; f < list->files_count;) {
        struct finding finding = {
            .topic = t, .partition = list->files[f].partition, .what = "partition", .first_offset = list->files[f].first_offset};

        for (; f < list->files_count && list->files[f].partition == finding.partition; f++) {
            finding.files_count++;
            finding.messages_count += list->files[f].messages_count;
            finding.bytes += tl_master_packed_bytes(&list->files[f]);
            finding.last_offset = list->files[f].last_offset;
        }
        TL_TRY(found(verify, &finding, err));
    }
out:
    return rc;
}

static enum tl_code checks_add(struct verify *verify, uint32_t t, struct tl_err *err)
{
    const struct tl_master_list *list = &verify->topics[t].list;

    if (verify->checks_count + list->files_count > verify->checks_capacity) {
        size_t capacity = verify->checks_count + list->files_count;

        if (!TL_RESIZE(verify->checks, capacity))
            return tl_fail_memory(err, capacity * sizeof *verify->checks);
        verify->checks_capacity = capacity;
    }
    for (size_t f = 0; f < list->files_count; f++) {
        verify->checks[verify->checks_count++] = (struct check){.topic = t, .file = &list->files[f]};
        verify->bytes_count += tl_master_packed_bytes(&list->files[f]);
    }
    return TL_OK;
}

static enum tl_code statement_found(struct verify *verify, uint32_t t, enum tl_code rc, const struct tl_err *why,
                                    struct tl_err *err)
{
    struct finding finding = {.topic = t,
                              .what = "statement",
                              .wrong = true,
                              .first_offset = -1,
                              .last_offset = -1,
                              .detail = tl_sv_from(why->message)};

    if (rc == TL_ERR_CORRUPT)
        return found(verify, &finding, err);
    return rc == TL_OK ? TL_OK : tl_fail(err, rc, "%s", why->message);
}

static enum tl_code topic_look(struct verify *verify, uint32_t t, struct tl_err *err)
{
    struct topic *topic = &verify->topics[t];
    struct leftover_ctx leftover = {verify, t};
    const struct tl_master_complete *complete = NULL, *thinned = NULL;
    size_t complete_count = 0, thinned_count = 0;
    struct tl_err why[2] = {0};
    enum tl_code complete_rc, thinned_rc, rc;
    uint64_t identity;

    complete_rc = tl_master_read_complete(verify->master, topic->name, &complete, &complete_count, &identity, &why[0]);
    TL_TRY(tl_master_list_sound(verify->master, topic->name, &topic->list, err));
    thinned_rc = tl_master_read_thinned(verify->master, topic->name, &thinned, &thinned_count, &why[1]);
    TL_TRY(tl_master_find_lost(verify->master, topic->name, complete, complete_count, thinned, thinned_count, &topic->list, err));
    TL_TRY(partitions_report(verify, t, err));
    TL_TRY(statement_found(verify, t, complete_rc, &why[0], err));
    TL_TRY(statement_found(verify, t, thinned_rc, &why[1], err));
    TL_TRY(damage_report(verify, t, err));
    TL_TRY(gaps_report(verify, t, err));
    TL_TRY(tl_master_leftovers(verify->master, topic->name, leftover_add, &leftover, err));
    TL_TRY(checks_add(verify, t, err));
out:
    return rc;
}

/* ---- reading it all ---- */

static struct check *check_next(struct verify *verify)
{
    struct check *check = NULL;

    pthread_mutex_lock(&verify->lock);
    if (verify->failure == TL_OK && verify->next_check < verify->checks_count && !tl_stop_requested())
        check = &verify->checks[verify->next_check++];
    pthread_mutex_unlock(&verify->lock);
    return check;
}

static enum tl_code check_done(struct verify *verify, struct check *check, enum tl_code rc, const struct tl_err *why,
                               struct tl_err *err)
{
    struct tl_sv message;
    enum tl_code mine = TL_OK;

    pthread_mutex_lock(&verify->lock);
    check->rc = rc;
    if (rc != TL_OK && !tl_arena_copy(&verify->arena, tl_sv_from(why->message), &message))
        mine = tl_fail_memory(err, strlen(why->message));
    else if (rc != TL_OK)
        check->message = message.data;
    verify->bytes_done += tl_master_packed_bytes(check->file);
    tl_progress_step(&verify->progress, verify->bytes_done, verify->bytes_count);
    pthread_mutex_unlock(&verify->lock);
    return mine;
}

static enum tl_code read_files(struct verify *verify, struct tl_err *err)
{
    struct tl_master_reader *reader = NULL;
    struct check *check;
    struct tl_err why;
    enum tl_code rc;

    TL_TRY(tl_master_reader_open(&reader, err));
    while ((check = check_next(verify)) != NULL) {
        rc = tl_master_check(reader, check->file, &why);
        if (rc != TL_OK && rc != TL_ERR_CORRUPT && rc != TL_ERR_IO)
            TL_TRY(tl_fail(err, rc, "%s", why.message));
        TL_TRY(check_done(verify, check, rc, &why, err));
    }
    rc = TL_OK;
out:
    tl_master_reader_close(reader);
    return rc;
}

static void *thread_main(void *ctx)
{
    struct verify *verify = ctx;
    struct tl_err err;
    enum tl_code rc = read_files(verify, &err);

    pthread_mutex_lock(&verify->lock);
    if (rc != TL_OK && verify->failure == TL_OK) {
        verify->failure = rc;
        verify->err = err;
    }
    pthread_mutex_unlock(&verify->lock);
    return NULL;
}

static enum tl_code read_all(struct verify *verify, uint32_t jobs, struct tl_err *err)
{
    pthread_t threads[JOBS_MAX];
    uint32_t count = 0;
    enum tl_code rc = TL_OK;

    tl_progress_begin(&verify->progress, "verify");
    jobs = (uint32_t)tl_min_i64(tl_min_i64(jobs, JOBS_MAX), (int64_t)verify->checks_count);
    for (; count < jobs; count++)
        if ((errno = pthread_create(&threads[count], NULL, thread_main, verify)) != 0) {
            rc = tl_fail_errno(err, TL_ERR_IO, "cannot start a thread");
            break;
        }
    for (uint32_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    tl_progress_end(&verify->progress);
    if (rc == TL_OK && verify->failure != TL_OK) {
        *err = verify->err;
        rc = verify->failure;
    }
    if (rc == TL_OK && tl_stop_requested() && verify->next_check < verify->checks_count)
        rc = tl_fail(err, TL_ERR_IO, "stopped before all of the record was read: %zu of %zu files", verify->next_check,
                     verify->checks_count);
    return rc;
}

static enum tl_code checks_report(struct verify *verify, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t c = 0; c < verify->checks_count; c++) {
        const struct check *check = &verify->checks[c];
        struct finding finding = {.topic = check->topic,
                                  .partition = check->file->partition,
                                  .what = "damaged",
                                  .wrong = true,
                                  .first_offset = check->file->first_offset,
                                  .last_offset = check->file->last_offset,
                                  .file = tl_sv_from(check->file->path)};

        if (check->rc == TL_OK)
            continue;
        finding.detail = tl_sv_from(check->message);
        TL_TRY(found(verify, &finding, err));
    }
out:
    return rc;
}

/* ---- the answer ---- */

/* A table cuts long texts: what is wrong is said in full beside it, and so stands in cron's mail. */
static void say_what_is_wrong(const struct verify *verify)
{
    for (size_t f = 0; f < verify->findings_count; f++) {
        const struct finding *finding = &verify->findings[f];

        if (finding->wrong)
            tl_diag(TL_WARN, "topic %.*s partition %" PRIu32 ": %s: %.*s", TL_SV_ARG(verify->topics[finding->topic].name),
                    finding->partition, finding->what, TL_SV_ARG(finding->detail));
    }
}

static struct tl_value count_value(uint64_t count)
{
    return (struct tl_value){.kind = TL_BIGINT, .i64 = (int64_t)count};
}

static struct tl_value offset_value(int64_t offset)
{
    return (struct tl_value){.kind = TL_BIGINT, .is_null = offset < 0, .i64 = offset};
}

static struct tl_value text_value(struct tl_sv text)
{
    return (struct tl_value){.kind = TL_STRING, .is_null = text.size == 0, .sv = text};
}

static enum tl_code print_findings(struct verify *verify, const char *format, struct tl_err *err)
{
    const struct tl_shape_column columns[] = {
        {.name = TL_SV("topic"),        .kind = TL_STRING },
        {.name = TL_SV("partition"),    .kind = TL_BIGINT },
        {.name = TL_SV("what"),         .kind = TL_STRING },
        {.name = TL_SV("wrong"),        .kind = TL_BOOLEAN},
        {.name = TL_SV("first_offset"), .kind = TL_BIGINT },
        {.name = TL_SV("last_offset"),  .kind = TL_BIGINT },
        {.name = TL_SV("files"),        .kind = TL_BIGINT },
        {.name = TL_SV("messages"),     .kind = TL_BIGINT },
        {.name = TL_SV("bytes"),        .kind = TL_BIGINT },
        {.name = TL_SV("file"),         .kind = TL_STRING },
        {.name = TL_SV("detail"),       .kind = TL_STRING },
    };
    struct tl_printer printer;
    enum tl_code rc;

    tl_printer_init(&printer, tl_print_format_of(format), stdout);
    TL_TRY(tl_printer_head(&printer, columns, TL_COUNT(columns), err));
    for (size_t f = 0; f < verify->findings_count; f++) {
        const struct finding *finding = &verify->findings[f];
        bool is_partition = finding->files_count > 0;
        struct tl_value values[TL_COUNT(columns)] = {
            text_value(verify->topics[finding->topic].name),
            count_value(finding->partition),
            text_value(tl_sv_from(finding->what)),
            {.kind = TL_BOOLEAN, .i64 = finding->wrong},
            offset_value(finding->first_offset),
            offset_value(finding->last_offset),
            count_value(finding->files_count),
            count_value(finding->messages_count),
            count_value(finding->bytes),
            text_value(finding->file),
            text_value(finding->detail),
        };

        for (int v = 6; v <= 8; v++)
            values[v].is_null = !is_partition;
        TL_TRY(tl_printer_row(&printer, values, TL_COUNT(columns), err));
    }
    TL_TRY(tl_printer_end(&printer, err));
out:
    tl_printer_done(&printer);
    return rc;
}

enum tl_code tl_archive_verify(const struct tl_common_options *common, const char *format, uint32_t jobs, struct tl_err *err)
{
    struct verify verify = {.lock = PTHREAD_MUTEX_INITIALIZER};
    enum tl_code rc;

    tl_arena_init(&verify.arena, 1u << 14, 0);
    TL_TRY(tl_master_open(common->data, &verify.master, err));
    TL_TRY(tl_master_topics(verify.master, topic_add, &verify, err));
    if (verify.topics_count > 0)
        qsort(verify.topics, verify.topics_count, sizeof *verify.topics, topic_order);
    for (uint32_t t = 0; t < verify.topics_count; t++)
        TL_TRY(topic_look(&verify, t, err));
    TL_TRY(read_all(&verify, jobs, err));
    TL_TRY(checks_report(&verify, err));
    if (verify.findings_count > 0)
        qsort(verify.findings, verify.findings_count, sizeof *verify.findings, finding_order);
    say_what_is_wrong(&verify);
    TL_TRY(print_findings(&verify, format, err));
    if (verify.wrong_count > 0)
        TL_TRY(tl_fail(err, TL_ERR_ANSWER_NO, "the master record in %s/topics is not sound: %" PRIu64 " finding%s", common->data,
                       verify.wrong_count, verify.wrong_count == 1 ? "" : "s"));
out:
    tl_master_close(verify.master);
    tl_arena_done(&verify.arena);
    pthread_mutex_destroy(&verify.lock);
    free(verify.topics);
    free(verify.findings);
    free(verify.checks);
    return rc;
}
