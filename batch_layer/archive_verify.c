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
    const struct tl_master_complete *complete;
    size_t complete_count;
    const struct tl_master_complete *thinned;
    size_t thinned_count;
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

    return found(leftover->verify, &finding, err);
}

/* The offsets that a file has, or (damaged) must have had. */
struct span {
    uint32_t partition;
    int64_t begin, first, last; /* last -1: unknown */
};

static int span_order(const void *a, const void *b)
{
    const struct span *left = a, *right = b;

    if (left->partition != right->partition)
        return left->partition < right->partition ? -1 : 1;
    return (left->first > right->first) - (left->first < right->first);
}

/* Offsets [first, end) have no file. */
static enum tl_code missing_add(struct verify *verify, uint32_t topic, uint32_t partition, int64_t first, int64_t end,
                                bool is_known, const char *who, struct tl_err *err)
{
    char detail[512];
    struct finding finding = {.topic = topic,
                              .partition = partition,
                              .what = is_known ? "missing" : "gap",
                              .wrong = is_known,
                              .first_offset = first,
                              .last_offset = end - 1};

    if (is_known)
        snprintf(detail, sizeof detail,
                 "%s speaks of offsets up to %" PRId64 ": a file with them is gone; bring it back from a copy", who, end - 1);
    else
        snprintf(detail, sizeof detail,
                 "no file has them; the log had none, or a file is gone: the index behind is too old to tell");
    finding.detail = tl_sv_from(detail);
    return found(verify, &finding, err);
}

static enum tl_code spans_of(const struct topic *topic, struct span **out, size_t *count, struct tl_err *err)
{
    struct span *spans = malloc((topic->list.files_count + topic->list.damage_count + 1) * sizeof *spans);
    size_t used = 0;

    if (spans == NULL)
        return tl_fail_memory(err, topic->list.files_count * sizeof *spans);
    for (size_t f = 0; f < topic->list.files_count; f++) {
        const struct tl_master_file *file = &topic->list.files[f];

        spans[used++] = (struct span){file->partition, file->begin_offset, file->first_offset, file->last_offset};
    }
    for (size_t d = 0; d < topic->list.damage_count; d++) {
        const struct tl_master_damage *damage = &topic->list.damage[d];

        if (damage->file != NULL)
            spans[used++] = (struct span){damage->partition, damage->file->begin_offset, damage->file->first_offset,
                                          damage->file->last_offset};
        else if (damage->first_offset >= 0)
            spans[used++] = (struct span){damage->partition, TL_MASTER_BEGIN_UNKNOWN, damage->first_offset, -1};
    }
    if (used > 0)
        qsort(spans, used, sizeof *spans, span_order);
    *out = spans;
    *count = used;
    return TL_OK;
}

/* Below this offset there is no file any more, on purpose. */
static int64_t thinned_to(const struct topic *topic, uint32_t partition)
{
    for (size_t i = 0; i < topic->thinned_count; i++)
        if (topic->thinned[i].partition == partition)
            return topic->thinned[i].offset;
    return 0;
}

/* Each file says behind which offset it was begun, and complete.json where the last one ended. */
static enum tl_code chain_check(struct verify *verify, uint32_t t, struct tl_err *err)
{
    const struct topic *topic = &verify->topics[t];
    struct span *spans = NULL;
    size_t count = 0;
    int64_t end = -1; /* behind the spans so far; -1: unknown */
    enum tl_code rc;

    TL_TRY(spans_of(topic, &spans, &count, err));
    for (size_t s = 0; s < count; s++) {
        const struct span *span = &spans[s];
        bool is_known = span->begin != TL_MASTER_BEGIN_UNKNOWN, is_first = s == 0 || spans[s - 1].partition != span->partition;
        int64_t begin = is_known ? span->begin : span->first;

        if (is_first) /* the first file of all begins with 0 */
            end = thinned_to(topic, span->partition);
        if ((!is_first || is_known) && end >= 0 && begin > end)
            TL_TRY(missing_add(verify, t, span->partition, end, begin, is_known, "the file behind", err));
        end = span->last < 0 ? -1 : tl_max_i64(end, span->last + 1);
    }
    for (size_t c = 0; c < topic->complete_count; c++) {
        const struct tl_master_complete *complete = &topic->complete[c];
        bool is_known = true;

        end = thinned_to(topic, complete->partition);
        for (size_t s = 0; s < count; s++) {
            if (spans[s].partition != complete->partition)
                continue;
            is_known = is_known && spans[s].last >= 0;
            end = tl_max_i64(end, spans[s].last + 1);
        }
        if (is_known && end < complete->files_offset)
            TL_TRY(missing_add(verify, t, complete->partition, end, complete->files_offset, true, "complete.json", err));
    }
out:
    free(spans);
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
                                  .what = damage->overlaps ? "overlap" : "damaged",
                                  .wrong = true,
                                  .first_offset = damage->first_offset,
                                  .last_offset = damage->file == NULL ? -1 : damage->file->last_offset,
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
    struct tl_err why[2] = {0};
    enum tl_code complete, thinned, rc;
    uint64_t identity;

    /* The statement first: archive writes files before it, so what it speaks of is there to be listed. */
    complete = tl_master_read_complete(verify->master, topic->name, &topic->complete, &topic->complete_count, &identity, &why[0]);
    TL_TRY(tl_master_list_sound(verify->master, topic->name, &topic->list, err));
    thinned = tl_master_read_thinned(verify->master, topic->name, &topic->thinned, &topic->thinned_count, &why[1]);
    TL_TRY(partitions_report(verify, t, err));
    TL_TRY(statement_found(verify, t, complete, &why[0], err));
    TL_TRY(statement_found(verify, t, thinned, &why[1], err));
    TL_TRY(damage_report(verify, t, err));
    TL_TRY(chain_check(verify, t, err));
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
