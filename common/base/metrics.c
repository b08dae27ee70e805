/* metrics.c: counters, gauges and histograms under one lock, and their text. See metrics.h. */
#include "base/metrics.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { CHUNK_BYTES = 16384, ON_READ_MAX = 4, NUMBER_BYTES = 40 };

struct tl_metric {
    const struct tl_metric_family *family;
    struct tl_sv labels; /* as they are written: view="hits",outcome="late" */
    bool known, since;
    double value;      /* since: an instant, in milliseconds */
    uint64_t *buckets; /* of a histogram: bounds_count + 1, each for itself; the last is +Inf */
    double sum;
    struct tl_metric *next; /* of the family */
};

struct family {
    const struct tl_metric_family *family;
    struct tl_metric *first, **last;
    struct family *next;
};

struct tl_metrics {
    pthread_mutex_t mutex;
    struct tl_arena arena;
    struct family *first, **last;
    struct {
        void (*publish)(void *ctx);
        void *ctx;
    } on_read[ON_READ_MAX];
    size_t on_read_count;
    pthread_mutex_t reading; /* held while they are called */
};

enum tl_code tl_metrics_open(struct tl_metrics **out, struct tl_err *err)
{
    struct tl_metrics *metrics = calloc(1, sizeof *metrics);

    if (metrics == NULL)
        return tl_fail_memory(err, sizeof *metrics);
    pthread_mutex_init(&metrics->mutex, NULL);
    pthread_mutex_init(&metrics->reading, NULL);
    tl_arena_init(&metrics->arena, CHUNK_BYTES, 0);
    metrics->last = &metrics->first;
    *out = metrics;
    return TL_OK;
}

void tl_metrics_close(struct tl_metrics *metrics)
{
    if (metrics == NULL)
        return;
    tl_arena_done(&metrics->arena);
    pthread_mutex_destroy(&metrics->mutex);
    pthread_mutex_destroy(&metrics->reading);
    free(metrics);
}

/* ---- series ---- */

/* A name that no reader would take is a mistake of ours, not of the world. */
static bool name_is_right(const char *name, bool of_label)
{
    size_t size = strlen(name), letters = 0;

    for (; letters < size; letters++) {
        char c = name[letters];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c == ':' && !of_label);

        if (!letter && (letters == 0 || c < '0' || c > '9'))
            return false;
    }
    return size > 0 && (!of_label || strncmp(name, "__", 2) != 0);
}

static bool family_is_right(const struct tl_metric_family *family)
{
    size_t size = strlen(family->name);
    bool total = size > 6 && strcmp(family->name + size - 6, "_total") == 0;

    for (size_t b = 1; b < family->bounds_count; b++)
        if (family->bounds[b - 1] >= family->bounds[b])
            return false;
    return name_is_right(family->name, false) && total == (family->type == TL_COUNTER) &&
           (family->bounds_count > 0) == (family->type == TL_HISTOGRAM);
}

/* In a quoted value a backslash, a quote and a line feed are escaped; in a HELP line quotes stand as they are. */
static void put_escaped(struct tl_buf *out, struct tl_sv text, bool quoted)
{
    size_t size;

    for (size_t i = 0; i < text.size; i += size) {
        char c = text.data[i];

        size = tl_utf8_size(text.data + i, text.size - i);
        if (size == 0) {
            size = tl_utf8_ill_formed_size(text.data + i, text.size - i);
            tl_buf_put_str(out, "\xef\xbf\xbd");
        } else if (c == '\n') {
            tl_buf_put_str(out, "\\n");
        } else {
            if (c == '\\' || (quoted && c == '"'))
                tl_buf_put_u8(out, '\\');
            tl_buf_put(out, text.data + i, size);
        }
    }
}

static void put_labels(struct tl_buf *out, const struct tl_metric_label *labels, size_t count)
{
    for (size_t l = 0; l < count; l++) {
        assert(name_is_right(labels[l].name, true));
        tl_buf_printf(out, "%s%s=\"", l > 0 ? "," : "", labels[l].name);
        put_escaped(out, labels[l].value, true);
        tl_buf_put_u8(out, '"');
    }
}

static enum tl_code family_of(struct tl_metrics *metrics, const struct tl_metric_family *wanted, struct family **out,
                              struct tl_err *err)
{
    struct family *family = metrics->first;

    while (family != NULL && strcmp(family->family->name, wanted->name) != 0)
        family = family->next;
    if (family == NULL) {
        assert(family_is_right(wanted));
        family = tl_arena_zalloc(&metrics->arena, sizeof *family);
        if (family == NULL)
            return tl_fail_memory(err, sizeof *family);
        family->family = wanted;
        family->last = &family->first;
        *metrics->last = family;
        metrics->last = &family->next;
    }
    assert(family->family->type == wanted->type);
    *out = family;
    return TL_OK;
}

static enum tl_code add_series(struct tl_metrics *metrics, struct family *family, struct tl_sv labels, struct tl_metric **out,
                               struct tl_err *err)
{
    struct tl_metric *metric = tl_arena_zalloc(&metrics->arena, sizeof *metric);
    size_t buckets_bytes = (family->family->bounds_count + 1) * sizeof *metric->buckets;

    if (metric == NULL || !tl_arena_copy(&metrics->arena, labels, &metric->labels))
        return tl_fail_memory(err, sizeof *metric + labels.size);
    metric->family = family->family;
    if (family->family->type == TL_HISTOGRAM) {
        metric->buckets = tl_arena_zalloc(&metrics->arena, buckets_bytes);
        if (metric->buckets == NULL)
            return tl_fail_memory(err, buckets_bytes);
    }
    *family->last = metric;
    family->last = &metric->next;
    *out = metric;
    return TL_OK;
}

enum tl_code tl_metrics_series(struct tl_metrics *metrics, const struct tl_metric_family *wanted,
                               const struct tl_metric_label *labels, size_t labels_count, struct tl_metric **out,
                               struct tl_err *err)
{
    struct tl_buf text;
    struct family *family;
    struct tl_metric *metric;
    enum tl_code rc;

    tl_buf_init(&text, 0);
    tl_metrics_begin(metrics);
    put_labels(&text, labels, labels_count);
    TL_TRY(tl_buf_check(&text, "labels of a metric", err));
    TL_TRY(family_of(metrics, wanted, &family, err));
    metric = family->first;
    while (metric != NULL && !tl_sv_eq(metric->labels, tl_buf_sv(&text)))
        metric = metric->next;
    if (metric == NULL)
        TL_TRY(add_series(metrics, family, tl_buf_sv(&text), &metric, err));
    *out = metric;
out:
    tl_metrics_end(metrics);
    tl_buf_done(&text);
    return rc;
}

/* ---- publishing ---- */

void tl_metrics_begin(struct tl_metrics *metrics)
{
    pthread_mutex_lock(&metrics->mutex);
}

void tl_metrics_end(struct tl_metrics *metrics)
{
    pthread_mutex_unlock(&metrics->mutex);
}

void tl_metric_add(struct tl_metric *metric, double more)
{
    assert(metric->family->type == TL_COUNTER && more >= 0);
    metric->value += more;
    metric->known = true;
}

void tl_metric_set(struct tl_metric *metric, double value)
{
    assert(metric->family->type != TL_HISTOGRAM);
    metric->value = value;
    metric->known = true;
    metric->since = false;
}

void tl_metric_set_since(struct tl_metric *gauge, int64_t wall_ms)
{
    assert(gauge->family->type == TL_GAUGE);
    gauge->value = (double)wall_ms;
    gauge->known = gauge->since = true;
}

void tl_metric_observe(struct tl_metric *histogram, double value)
{
    const struct tl_metric_family *family = histogram->family;
    size_t b = 0;

    assert(family->type == TL_HISTOGRAM);
    while (b < family->bounds_count && !(value <= family->bounds[b]))
        b++;
    histogram->buckets[b]++;
    histogram->sum += value;
    histogram->known = true;
}

void tl_metric_set_buckets(struct tl_metric *histogram, const uint64_t *buckets, double sum)
{
    assert(histogram->family->type == TL_HISTOGRAM);
    memcpy(histogram->buckets, buckets, (histogram->family->bounds_count + 1) * sizeof *buckets);
    histogram->sum = sum;
    histogram->known = true;
}

void tl_metric_forget(struct tl_metric *metric)
{
    metric->known = false;
}

/* ---- reading ---- */

void tl_metrics_on_read(struct tl_metrics *metrics, void (*publish)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&metrics->reading);
    assert(metrics->on_read_count < ON_READ_MAX);
    metrics->on_read[metrics->on_read_count].publish = publish;
    metrics->on_read[metrics->on_read_count++].ctx = ctx;
    pthread_mutex_unlock(&metrics->reading);
}

void tl_metrics_off_read(struct tl_metrics *metrics, void (*publish)(void *ctx), void *ctx)
{
    size_t kept = 0;

    pthread_mutex_lock(&metrics->reading);
    for (size_t i = 0; i < metrics->on_read_count; i++)
        if (metrics->on_read[i].publish != publish || metrics->on_read[i].ctx != ctx)
            metrics->on_read[kept++] = metrics->on_read[i];
    metrics->on_read_count = kept;
    pthread_mutex_unlock(&metrics->reading);
}

/* The shortest decimal that reads back as the same double; a whole number as one. */
static const char *number_text(double value, char out[NUMBER_BYTES])
{
    if (isnan(value))
        return "NaN";
    if (isinf(value))
        return value > 0 ? "+Inf" : "-Inf";
    if (fabs(value) < 9007199254740992.0 && value == nearbyint(value)) {
        snprintf(out, NUMBER_BYTES, "%.0f", value + 0.0); /* + 0.0: not "-0" */
        return out;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, NUMBER_BYTES, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    return out;
}

/* name{labels,le="0.5"} value */
static void put_sample(struct tl_buf *out, const struct tl_metric *metric, const char *suffix, const char *le, double value)
{
    char text[NUMBER_BYTES];

    tl_buf_printf(out, "%s%s", metric->family->name, suffix);
    if (metric->labels.size > 0 || le != NULL) {
        tl_buf_put_u8(out, '{');
        tl_buf_put_sv(out, metric->labels);
        if (le != NULL)
            tl_buf_printf(out, "%sle=\"%s\"", metric->labels.size > 0 ? "," : "", le);
        tl_buf_put_u8(out, '}');
    }
    tl_buf_printf(out, " %s\n", number_text(value, text));
}

static void put_histogram(struct tl_buf *out, const struct tl_metric *metric)
{
    const struct tl_metric_family *family = metric->family;
    uint64_t below = 0;

    for (size_t b = 0; b <= family->bounds_count; b++) {
        char text[NUMBER_BYTES];

        below += metric->buckets[b];
        put_sample(out, metric, "_bucket", b < family->bounds_count ? number_text(family->bounds[b], text) : "+Inf",
                   (double)below);
    }
    put_sample(out, metric, "_sum", NULL, metric->sum);
    put_sample(out, metric, "_count", NULL, (double)below);
}

static void put_family(struct tl_buf *out, const struct family *family, int64_t now_ms)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    bool headed = false;

    for (const struct tl_metric *metric = family->first; metric != NULL; metric = metric->next) {
        if (!metric->known)
            continue;
        if (!headed) {
            tl_buf_printf(out, "# HELP %s ", family->family->name);
            put_escaped(out, tl_sv_from(family->family->help), false);
            tl_buf_printf(out, "\n# TYPE %s %s\n", family->family->name, types[family->family->type]);
            headed = true;
        }
        if (family->family->type == TL_HISTOGRAM)
            put_histogram(out, metric);
        else
            put_sample(out, metric, "", NULL, metric->since ? ((double)now_ms - metric->value) / 1000.0 : metric->value);
    }
}

void tl_metrics_text(struct tl_metrics *metrics, int64_t now_ms, struct tl_buf *out)
{
    pthread_mutex_lock(&metrics->reading);
    for (size_t i = 0; i < metrics->on_read_count; i++)
        metrics->on_read[i].publish(metrics->on_read[i].ctx);
    pthread_mutex_unlock(&metrics->reading);
    tl_metrics_begin(metrics);
    for (const struct family *family = metrics->first; family != NULL; family = family->next)
        put_family(out, family, now_ms);
    tl_metrics_end(metrics);
}
