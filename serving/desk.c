/* desk.c: takes a request of the API on the loop, and gives the answer. See desk.h. */
#include "desk.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/diag.h"
#include "base/table.h"
#include "event/timestamp.h"

enum { SAY_MS = 5000 };

/* Something for a reader: an answer, or a form of one that is there. */
struct job {
    struct tl_reader_job base;
    struct tl_desk *desk;
    struct job *chain; /* of those that are under way */
    struct tl_buf key; /* path, '?', query, ' ', accept */
    struct tl_api_request request;
    struct tl_http_call *first, *last; /* who waits, by way of their ctx */
    enum tl_coding form;               /* that the first one takes */
    bool forms_only;

    int64_t changes; /* the pulse's, when it was asked for */

    struct tl_kept kept; /* forms_only: the plain form to begin with, and whose it is */
    int status;
    enum tl_code rc;
    bool late;
    struct tl_err err;
};

struct tl_desk {
    struct tl_desk_config config;
    struct tl_answers *answers;
    struct job *under_way;
    int64_t said_ms; /* when it was last said that the store failed */
    atomic_size_t cached_bytes;
};

static void give(struct tl_desk *desk, struct tl_http_call *call, struct tl_kept *kept, bool stale);

/* ---- headers ---- */

static void put_time_header(struct tl_buf *out, const char *name, int64_t ms)
{
    char text[TL_TIME_TEXT_BYTES];

    if (ms == INT64_MIN)
        return;
    tl_time_to_iso_z(ms, text);
    tl_buf_printf(out, "%s: %s\r\n", name, text);
}

/* Weak where the body says how fresh it is: who asks again wants to know of other rows. Source: RFC 9110, 8.8.1. */
static void put_etag(struct tl_buf *out, const struct tl_kept *kept, enum tl_coding form)
{
    const char *coding = tl_coding_name(form);

    tl_buf_printf(out, "\"%s%s%s\"", kept->etag, coding != NULL ? "-" : "", coding != NULL ? coding : "");
}

/* What the rows are known to be as of: where nothing has changed since they were read, the last look at the store. */
static int64_t known_as_of(const struct tl_kept *kept, const struct tl_pulse_beat *beat)
{
    bool same = kept->valid == TL_API_PUBLISHED ? kept->beat.publications == beat->publications
                                                : kept->valid == TL_API_UNCHANGED && kept->beat.changes == beat->changes;

    return same ? tl_max_i64(kept->as_of_ms, beat->seen_ms) : kept->as_of_ms;
}

static void put_headers(struct tl_desk *desk, const struct tl_http_call *call, const struct tl_kept *kept, enum tl_coding form,
                        bool stale, struct tl_buf *out)
{
    struct tl_pulse_beat beat = tl_pulse_beat(desk->config.pulse);
    int64_t as_of_ms = known_as_of(kept, &beat);
    bool page = kept->valid == TL_API_ALWAYS && strncmp(kept->type, "text/html", 9) == 0;

    tl_buf_printf(out, "Content-Type: %s\r\nVary: Accept, Accept-Encoding\r\nCache-Control: %s\r\n", kept->type,
                  stale                                    ? "no-store"
                  : tl_gate_has_secrets(desk->config.gate) ? "private, no-cache"
                                                           : "no-cache");
    if (!stale) {
        tl_buf_put_str(out, kept->has_tail ? "ETag: W/" : "ETag: ");
        put_etag(out, kept, form);
        tl_buf_put_str(out, "\r\n");
    }
    if (tl_coding_name(form) != NULL)
        tl_buf_printf(out, "Content-Encoding: %s\r\n", tl_coding_name(form));
    if (kept->valid != TL_API_ALWAYS) {
        put_time_header(out, "Tally-As-Of", as_of_ms);
        put_time_header(out, "Tally-Boundary", kept->boundary_ms);
    }
    if (stale)
        tl_buf_printf(out, "Tally-Stale: %lld\r\n", (long long)tl_max_i64((tl_clock_wall_ms() - as_of_ms) / 1000, 0));
    tl_buf_put_str(out, kept->headers != NULL ? kept->headers : "");
    tl_gate_put_headers(desk->config.gate, call, page, out);
}

/* Source: RFC 9110, 13.1.2; weak comparison. */
static bool has_it(const struct tl_http_call *call, const struct tl_kept *kept, enum tl_coding form)
{
    struct tl_sv list = tl_http_call_header(call, "if-none-match");
    struct tl_buf etag;
    bool found = false;

    if (list.data == NULL)
        return false;
    tl_buf_init(&etag, 0);
    put_etag(&etag, kept, form);
    while (list.size > 0 && !found) {
        struct tl_sv one = tl_sv_trim(tl_sv_cut(&list, ','));

        if (tl_sv_starts(one, TL_SV("W/")))
            one = (struct tl_sv){one.data + 2, one.size - 2};
        found = tl_sv_eq(one, TL_SV("*")) || tl_sv_eq(one, tl_buf_sv(&etag));
    }
    tl_buf_done(&etag);
    return found;
}

/* ---- jobs ---- */

static void job_close(struct job *job)
{
    for (int f = 0; f < TL_CODINGS; f++)
        tl_blob_drop(job->kept.forms[f]);
    free(job->kept.headers);
    tl_buf_done(&job->key);
    free(job);
}

static void join(struct job *job, struct tl_http_call *call)
{
    call->ctx = NULL;
    if (job->last != NULL)
        job->last->ctx = call;
    else
        job->first = call;
    job->last = call;
}

/* Those who wait, one by one; NULL: nobody is left. */
static struct tl_http_call *leave(struct job *job)
{
    struct tl_http_call *call = job->first;

    if (call != NULL)
        job->first = call->ctx;
    return call;
}

static void say_failure(struct tl_desk *desk, const struct job *job)
{
    int64_t now_ms = tl_clock_monotonic_ms();

    if (desk->said_ms != 0 && now_ms - desk->said_ms < SAY_MS)
        return;
    desk->said_ms = now_ms;
    tl_diag(TL_WARN, "%s: %s", job->late ? "a query took too long" : "a query failed", job->err.message);
}

static void give_without_store(struct tl_desk *desk, struct tl_http_call *call, struct tl_sv key)
{
    struct tl_kept *kept = tl_answers_find(desk->answers, key);

    if (kept != NULL)
        give(desk, call, kept, true);
    else
        tl_gate_refuse(desk->config.gate, call, 503, "Retry-After: 1\r\n",
                       "the store does not answer, and this was not asked for before");
}

/* A refusal is not kept, nor what is too large to be. */
static void end_answer(struct tl_desk *desk, struct job *job)
{
    struct tl_kept *kept = job->status == 200 ? tl_answers_put(desk->answers, tl_buf_sv(&job->key), &job->kept) : NULL;
    struct tl_http_call *call;

    if (kept != NULL) {
        memset(job->kept.forms, 0, sizeof job->kept.forms);
        job->kept.headers = NULL;
    } else {
        kept = &job->kept;
    }
    while ((call = leave(job)) != NULL) {
        if (job->status == 200) {
            tl_serve_meter_served(desk->config.meter, TL_SERVED_STORE);
            give(desk, call, kept, false);
        } else {
            tl_gate_refuse_with(desk->config.gate, call, job->status, "", tl_blob_hold(job->kept.forms[TL_CODING_PLAIN]));
        }
    }
}

static void end_failure(struct tl_desk *desk, struct job *job)
{
    struct tl_http_call *call;

    say_failure(desk, job);
    while ((call = leave(job)) != NULL) {
        if (job->late)
            tl_gate_refuse(desk->config.gate, call, 504, "Retry-After: 1\r\n",
                           "that took longer than a query may; a shorter time range, or fewer rows, would do");
        else
            give_without_store(desk, call, tl_buf_sv(&job->key));
    }
}

static void end_form(struct tl_desk *desk, struct job *job)
{
    struct tl_kept *kept = tl_answers_find(desk->answers, tl_buf_sv(&job->key));
    struct tl_http_call *call;

    if (kept != NULL && strcmp(kept->etag, job->kept.etag) == 0 && kept->read_ms == job->kept.read_ms) {
        kept->making[job->form] = false;
        if (job->kept.forms[job->form] != NULL)
            tl_answers_put_form(desk->answers, kept, job->form, tl_blob_hold(job->kept.forms[job->form]));
    }
    if (job->kept.forms[job->form] == NULL)
        job->kept.making[job->form] = true; /* out of memory: as it is, then */
    while ((call = leave(job)) != NULL)
        give(desk, call, &job->kept, false);
}

static void on_done(void *ctx)
{
    struct job *job = ctx, **at;
    struct tl_desk *desk = job->desk;

    for (at = &desk->under_way; *at != job; at = &(*at)->chain)
        ;
    *at = job->chain;
    if (job->forms_only)
        end_form(desk, job);
    else if (job->rc == TL_OK)
        end_answer(desk, job);
    else
        end_failure(desk, job);
    atomic_store(&desk->cached_bytes, tl_answers_bytes(desk->answers));
    job_close(job);
}

/* On a reader's thread. */
static enum tl_code take_answer(struct job *job, struct tl_store *store, struct tl_err *err)
{
    struct tl_kept *kept = &job->kept;
    struct tl_api_answer answer;
    enum tl_code rc;

    tl_api_answer_init(&answer);
    kept->beat = tl_pulse_beat(job->desk->config.pulse);
    kept->read_ms = tl_clock_monotonic_ms();
    TL_TRY(tl_api_answer(job->desk->config.api, store, &job->request, &answer, err));
    job->status = answer.status;
    kept->type = answer.type;
    kept->valid = answer.valid;
    kept->has_tail = answer.has_tail;
    kept->as_of_ms = answer.as_of_ms;
    kept->boundary_ms = answer.boundary_ms;
    tl_etag_of((struct tl_sv){answer.body.data, answer.steady_bytes > 0 ? answer.steady_bytes : answer.body.size}, kept->etag);
    if (answer.headers.size > 0) {
        kept->headers = strndup(answer.headers.data, answer.headers.size);
        if (kept->headers == NULL)
            TL_TRY(tl_fail_memory(err, answer.headers.size));
    }
    if (job->form != TL_CODING_PLAIN && answer.status == 200 && answer.body.size >= TL_CODING_BYTES_MIN)
        kept->forms[job->form] = tl_coding_make(job->form, tl_buf_sv(&answer.body));
    kept->forms[TL_CODING_PLAIN] = tl_blob_take(&answer.body);
    if (kept->forms[TL_CODING_PLAIN] == NULL)
        TL_TRY(tl_fail_memory(err, answer.body.size));
out:
    tl_api_answer_done(&answer);
    return rc;
}

static enum tl_code job_run(struct tl_reader_job *base, struct tl_store *store, struct tl_err *err)
{
    struct job *job = (struct job *)base;
    const struct tl_blob *plain = job->kept.forms[TL_CODING_PLAIN];
    struct tl_http_server *server = job->desk->config.server;
    int64_t began_ns = tl_clock_monotonic_ns();
    enum tl_code rc = TL_OK;

    if (job->forms_only) {
        job->kept.forms[job->form] = tl_coding_make(job->form, (struct tl_sv){plain->data, plain->size});
    } else {
        rc = store != NULL ? take_answer(job, store, err) : err->code;
        job->rc = rc;
        job->err = *err;
        job->late = rc != TL_OK && tl_clock_monotonic_ms() >= base->deadline_ms;
        tl_serve_meter_query(job->desk->config.meter, tl_clock_monotonic_ns() - began_ns);
    }
    while (!tl_http_server_call(server, on_done, job))
        tl_clock_sleep_ms(10); /* out of memory: somebody may give some back */
    return rc;
}

/* The caller joins whoever waits for it. NULL: out of memory, or the queue is full. */
static struct job *job_start(struct tl_desk *desk, struct tl_sv key, enum tl_coding form, const struct tl_kept *plain)
{
    struct job *job = calloc(1, sizeof *job);
    struct tl_sv rest;

    if (job == NULL)
        return NULL;
    job->base = (struct tl_reader_job){.deadline_ms = tl_clock_monotonic_ms() + desk->config.query_ms, .run = job_run};
    job->desk = desk;
    job->form = form;
    job->changes = tl_pulse_beat(desk->config.pulse).changes;
    tl_buf_init(&job->key, 0);
    tl_buf_put_sv(&job->key, key);
    if (plain != NULL) {
        job->forms_only = true;
        job->kept = *plain;
        job->kept.key = (struct tl_sv){NULL, 0};
        memset(job->kept.forms, 0, sizeof job->kept.forms);
        job->kept.forms[TL_CODING_PLAIN] = tl_blob_hold(plain->forms[TL_CODING_PLAIN]);
        job->kept.headers = plain->headers != NULL ? strdup(plain->headers) : NULL;
    }
    rest = tl_buf_sv(&job->key);
    job->request.path = tl_sv_cut(&rest, '?');
    job->request.query = tl_sv_cut(&rest, ' ');
    if (!job->key.failed)
        snprintf(job->request.accept, sizeof job->request.accept, "%.*s", TL_SV_ARG(rest));
    if (job->key.failed || !tl_readers_put(desk->config.readers, &job->base)) {
        job_close(job);
        return NULL;
    }
    job->chain = desk->under_way;
    desk->under_way = job;
    return job;
}

/* One that may have begun before something changed is not joined: who has heard of the change is to find it. */
static struct job *find_job(struct tl_desk *desk, struct tl_sv key, int64_t changes)
{
    for (struct job *job = desk->under_way; job != NULL; job = job->chain)
        if (!job->forms_only && job->changes == changes && tl_sv_eq(tl_buf_sv(&job->key), key))
            return job;
    return NULL;
}

/* ---- giving ---- */

static void give(struct tl_desk *desk, struct tl_http_call *call, struct tl_kept *kept, bool stale)
{
    enum tl_coding form = tl_coding_accepted(tl_http_call_header(call, "accept-encoding"));
    struct tl_buf head;
    bool same;

    if (kept->forms[TL_CODING_PLAIN]->size < TL_CODING_BYTES_MIN || kept->making[form])
        form = TL_CODING_PLAIN;
    if (stale) {
        form = kept->has_tail ? TL_CODING_STALE : TL_CODING_PLAIN;
        if (kept->forms[form] == NULL) {
            const struct tl_blob *plain = kept->forms[TL_CODING_PLAIN];
            struct tl_blob *blob = tl_coding_make(form, (struct tl_sv){plain->data, plain->size});

            if (blob != NULL)
                tl_answers_put_form(desk->answers, kept, form, blob);
            else
                form = TL_CODING_PLAIN;
        }
        tl_serve_meter_served(desk->config.meter, TL_SERVED_STALE);
    }
    same = !stale && has_it(call, kept, form);
    if (!same && kept->forms[form] == NULL) {
        struct job *job = kept->key.data != NULL ? job_start(desk, kept->key, form, kept) : NULL;

        if (job != NULL) {
            kept->making[form] = true;
            join(job, call);
            return;
        }
        form = TL_CODING_PLAIN;
    }
    tl_buf_init(&head, 0);
    put_headers(desk, call, kept, form, stale, &head);
    tl_serve_meter_status(desk->config.meter, same ? 304 : 200);
    tl_http_answer(call, same ? 304 : 200, tl_buf_sv(&head), same ? NULL : tl_blob_hold(kept->forms[form]));
    tl_buf_done(&head);
}

/* What the API refuses without a look at the store. */
static void refuse_path(struct tl_desk *desk, struct tl_http_call *call)
{
    const struct tl_api_request request = {.path = call->path, .query = call->query};
    struct tl_api_answer answer;
    struct tl_err err;

    tl_api_answer_init(&answer);
    if (tl_api_answer(desk->config.api, NULL, &request, &answer, &err) == TL_OK)
        tl_gate_refuse_with(desk->config.gate, call, answer.status, "", tl_blob_copy(tl_buf_sv(&answer.body)));
    else
        tl_gate_refuse(desk->config.gate, call, 503, "Retry-After: 1\r\n", "out of memory");
    tl_api_answer_done(&answer);
}

void tl_desk_ask(struct tl_desk *desk, struct tl_http_call *call)
{
    struct tl_pulse_beat beat = tl_pulse_beat(desk->config.pulse);
    char accept[TL_API_FORMATS + 1];
    struct tl_kept *kept;
    struct tl_buf key;
    struct job *job;

    if (!tl_api_has(call->path)) {
        refuse_path(desk, call);
        return;
    }
    tl_api_accept(tl_http_call_header(call, "accept"), accept);
    tl_buf_init(&key, 0);
    tl_buf_put_sv(&key, call->path);
    tl_buf_put_u8(&key, '?');
    tl_buf_put_sv(&key, call->query);
    tl_buf_printf(&key, " %s", accept);
    kept = tl_answers_find(desk->answers, tl_buf_sv(&key));
    job = find_job(desk, tl_buf_sv(&key), beat.changes);
    if (kept != NULL && tl_kept_holds(kept, &beat, tl_clock_monotonic_ms())) {
        tl_serve_meter_served(desk->config.meter, TL_SERVED_CACHE);
        give(desk, call, kept, false);
    } else if (job != NULL) {
        join(job, call);
    } else if (beat.away) {
        give_without_store(desk, call, tl_buf_sv(&key));
    } else {
        job = job_start(desk, tl_buf_sv(&key), tl_coding_accepted(tl_http_call_header(call, "accept-encoding")), NULL);
        if (job != NULL)
            join(job, call);
        else
            tl_gate_refuse(desk->config.gate, call, 503, "Retry-After: 1\r\n", "too many queries wait for the store");
    }
    tl_buf_done(&key);
}

/* A page must come while every reader waits for a store that hangs, so it is packed here: once a form, some milliseconds. */
void tl_desk_give(struct tl_desk *desk, struct tl_http_call *call, const char *type, struct tl_sv bytes)
{
    enum tl_coding form = tl_coding_accepted(tl_http_call_header(call, "accept-encoding"));
    struct tl_kept fresh = {.type = type, .valid = TL_API_ALWAYS, .boundary_ms = INT64_MIN, .as_of_ms = INT64_MIN};
    struct tl_kept *kept = tl_answers_find(desk->answers, call->path);
    struct tl_blob *packed;

    if (kept == NULL) {
        tl_etag_of(bytes, fresh.etag);
        fresh.forms[TL_CODING_PLAIN] = tl_coding_make(TL_CODING_PLAIN, bytes);
        if (fresh.forms[TL_CODING_PLAIN] == NULL) {
            tl_gate_refuse(desk->config.gate, call, 503, "Retry-After: 1\r\n", "out of memory");
            return;
        }
        kept = tl_answers_put(desk->answers, call->path, &fresh);
    }
    if (kept == NULL) { /* larger than all that is kept */
        give(desk, call, &fresh, false);
        tl_blob_drop(fresh.forms[TL_CODING_PLAIN]);
        return;
    }
    if (kept->forms[form] == NULL && bytes.size >= TL_CODING_BYTES_MIN && (packed = tl_coding_make(form, bytes)) != NULL)
        tl_answers_put_form(desk->answers, kept, form, packed);
    give(desk, call, kept, false);
}

/* ---- the whole ---- */

enum tl_code tl_desk_open(const struct tl_desk_config *config, struct tl_desk **out, struct tl_err *err)
{
    struct tl_desk *desk = calloc(1, sizeof *desk);
    enum tl_code rc;

    if (desk == NULL)
        return tl_fail_memory(err, sizeof *desk);
    desk->config = *config;
    TL_TRY(tl_answers_open(config->cache_bytes_max, &desk->answers, err));
    *out = desk;
    desk = NULL;
out:
    free(desk);
    return rc;
}

void tl_desk_close(struct tl_desk *desk)
{
    if (desk == NULL)
        return;
    assert(desk->under_way == NULL);
    tl_answers_close(desk->answers);
    free(desk);
}

size_t tl_desk_cached_bytes(const struct tl_desk *desk)
{
    return atomic_load(&desk->cached_bytes);
}
