/* health.c: is a daemon getting on with its work? See health.h. */
#include "base/health.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { CHUNK_BYTES = 4096, TEXT_BYTES = 512 };
#define NEVER INT64_MIN

struct tl_health_check {
    struct tl_health *health;
    struct tl_sv name;
    const char *owes;
    int64_t ok_ms;        /* when it last showed life; NEVER */
    int64_t owed_ms;      /* since when something is to be done; NEVER: nothing is */
    int64_t failed_ms;    /* since when it cannot be reached; NEVER: it can */
    int64_t lag_events;   /* -1: it has none */
    char why[TEXT_BYTES]; /* what went wrong; empty: nothing */
    struct tl_health_check *next;
};

struct tl_health {
    pthread_mutex_t mutex;
    struct tl_arena arena;
    const char *part;
    bool ready;
    char state[TEXT_BYTES];
    struct tl_health_check *first, **last;
};

enum tl_code tl_health_open(const char *part, struct tl_health **out, struct tl_err *err)
{
    struct tl_health *health = calloc(1, sizeof *health);

    if (health == NULL)
        return tl_fail_memory(err, sizeof *health);
    pthread_mutex_init(&health->mutex, NULL);
    tl_arena_init(&health->arena, CHUNK_BYTES, 0);
    health->part = part;
    health->last = &health->first;
    snprintf(health->state, sizeof health->state, "starting");
    *out = health;
    return TL_OK;
}

void tl_health_close(struct tl_health *health)
{
    if (health == NULL)
        return;
    tl_arena_done(&health->arena);
    pthread_mutex_destroy(&health->mutex);
    free(health);
}

void tl_health_state(struct tl_health *health, bool ready, const char *state, ...)
{
    va_list args;

    pthread_mutex_lock(&health->mutex);
    health->ready = ready;
    va_start(args, state);
    vsnprintf(health->state, sizeof health->state, state, args);
    va_end(args);
    pthread_mutex_unlock(&health->mutex);
}

enum tl_code tl_health_check(struct tl_health *health, struct tl_sv name, const char *owes, struct tl_health_check **out,
                             struct tl_err *err)
{
    struct tl_health_check *check;
    enum tl_code rc = TL_OK;

    pthread_mutex_lock(&health->mutex);
    for (check = health->first; check != NULL && !tl_sv_eq(check->name, name);)
        check = check->next;
    if (check == NULL) {
        check = tl_arena_zalloc(&health->arena, sizeof *check);
        if (check == NULL || !tl_arena_copy(&health->arena, name, &check->name))
            TL_TRY(tl_fail_memory(err, sizeof *check + name.size));
        check->health = health;
        check->owes = owes;
        check->ok_ms = check->owed_ms = check->failed_ms = NEVER;
        check->lag_events = -1;
        *health->last = check;
        health->last = &check->next;
    }
    *out = check;
out:
    pthread_mutex_unlock(&health->mutex);
    return rc;
}

/* ---- what was seen ---- */

void tl_health_ok(struct tl_health_check *check, int64_t now_ms)
{
    pthread_mutex_lock(&check->health->mutex);
    check->ok_ms = now_ms;
    check->owed_ms = check->failed_ms = NEVER;
    check->why[0] = '\0';
    pthread_mutex_unlock(&check->health->mutex);
}

void tl_health_owe(struct tl_health_check *check, int64_t now_ms)
{
    pthread_mutex_lock(&check->health->mutex);
    if (check->owed_ms == NEVER)
        check->owed_ms = now_ms;
    pthread_mutex_unlock(&check->health->mutex);
}

void tl_health_fail(struct tl_health_check *check, int64_t now_ms, const char *why)
{
    pthread_mutex_lock(&check->health->mutex);
    if (check->failed_ms == NEVER)
        check->failed_ms = now_ms;
    snprintf(check->why, sizeof check->why, "%s", why);
    pthread_mutex_unlock(&check->health->mutex);
}

void tl_health_retry(struct tl_health_check *check, int64_t now_ms, const char *why)
{
    pthread_mutex_lock(&check->health->mutex);
    if (check->owed_ms == NEVER)
        check->owed_ms = now_ms;
    snprintf(check->why, sizeof check->why, "%s", why);
    pthread_mutex_unlock(&check->health->mutex);
}

void tl_health_lag(struct tl_health_check *check, int64_t lag_events)
{
    pthread_mutex_lock(&check->health->mutex);
    check->lag_events = lag_events;
    pthread_mutex_unlock(&check->health->mutex);
}

/* ---- the answer ---- */

static bool is_failed(const struct tl_health_check *check)
{
    return check->failed_ms != NEVER;
}

static bool is_stuck(const struct tl_health_check *check, int64_t now_ms)
{
    return check->owed_ms != NEVER && now_ms - check->owed_ms >= TL_HEALTH_PATIENCE_MS;
}

/* "store: cannot be reached for 12 s: connection refused" */
static void put_reason(struct tl_buf *out, const struct tl_health_check *check, int64_t now_ms)
{
    tl_buf_printf(out, "%.*s: ", TL_SV_ARG(check->name));
    if (is_failed(check))
        tl_buf_printf(out, "cannot be reached for %" PRId64 " s", (now_ms - check->failed_ms) / 1000);
    else
        tl_buf_printf(out, "%s for %" PRId64 " s", check->owes, (now_ms - check->owed_ms) / 1000);
    if (check->lag_events > 0)
        tl_buf_printf(out, ", %" PRId64 " events behind", check->lag_events);
    if (check->why[0] != '\0')
        tl_buf_printf(out, ": %s", check->why);
}

static void put_since(struct tl_buf *json, const char *key, int64_t at_ms, int64_t now_ms)
{
    if (at_ms == NEVER)
        tl_buf_printf(json, ", \"%s\": null", key);
    else
        tl_buf_printf(json, ", \"%s\": %.3f", key, (double)(now_ms - at_ms) / 1000.0);
}

static void put_check(struct tl_buf *json, const struct tl_health_check *check, int64_t now_ms)
{
    bool good = !is_failed(check) && !is_stuck(check, now_ms);

    tl_buf_put_str(json, "\n    {\"name\": ");
    tl_buf_put_json(json, check->name);
    tl_buf_printf(json, ", \"ok\": %s", good ? "true" : "false");
    put_since(json, "age_seconds", check->ok_ms, now_ms);
    put_since(json, "waiting_seconds", check->owed_ms, now_ms);
    if (check->lag_events >= 0)
        tl_buf_printf(json, ", \"lag_events\": %" PRId64, check->lag_events);
    if (check->why[0] != '\0') {
        tl_buf_put_str(json, ", \"error\": ");
        tl_buf_put_json(json, tl_sv_from(check->why));
    }
    tl_buf_put_u8(json, '}');
}

bool tl_health_ready(struct tl_health *health, int64_t now_ms, struct tl_buf *json)
{
    const struct tl_health_check *bad = NULL;
    struct tl_buf reason;
    bool ready;

    tl_buf_init(&reason, 4 * TEXT_BYTES);
    pthread_mutex_lock(&health->mutex);
    for (const struct tl_health_check *check = health->first; check != NULL && bad == NULL; check = check->next)
        if (is_failed(check) || is_stuck(check, now_ms))
            bad = check;
    ready = health->ready && bad == NULL;
    if (!health->ready)
        tl_buf_put_str(&reason, health->state);
    if (bad != NULL) {
        tl_buf_put_str(&reason, health->ready ? "" : "; ");
        put_reason(&reason, bad, now_ms);
    }
    tl_buf_printf(json, "{\"ready\": %s, \"part\": ", ready ? "true" : "false");
    tl_buf_put_json(json, tl_sv_from(health->part));
    tl_buf_put_str(json, ", \"state\": ");
    tl_buf_put_json(json, tl_sv_from(health->state));
    tl_buf_put_str(json, ", \"reason\": ");
    if (reason.size > 0)
        tl_buf_put_json(json, tl_buf_sv(&reason));
    else
        tl_buf_put_str(json, "null");
    tl_buf_put_str(json, ", \"checks\": [");
    for (const struct tl_health_check *check = health->first; check != NULL; check = check->next) {
        put_check(json, check, now_ms);
        if (check->next != NULL)
            tl_buf_put_u8(json, ',');
    }
    tl_buf_put_str(json, "\n]}\n");
    pthread_mutex_unlock(&health->mutex);
    tl_buf_done(&reason);
    return ready;
}
