/* check_text.c: what a check found, in words. See check_text.h. */
#include "main/check_text.h"

#include <math.h>

#include "base/count_text.h"
#include "event/timestamp.h"
#include "sql/check.h"
#include "sql/settings.h"

static void put_number(struct tl_buf *out, const struct tl_check_result *result, double value)
{
    if (isfinite(value) && tl_sv_starts(result->measure, TL_SV("FRESHNESS")))
        tl_duration_print((int64_t)value, out);
    else if (value == floor(value) && fabs(value) < 1e15)
        tl_buf_printf(out, "%.0f", value);
    else
        tl_buf_printf(out, "%.6g", value);
}

static bool is_bounded(const struct tl_check_result *result)
{
    return !isinf(result->low) || !isinf(result->high);
}

void tl_check_put_measured(struct tl_buf *out, const struct tl_check_result *result)
{
    if (isnan(result->measured))
        tl_buf_put_str(out, "-");
    else
        put_number(out, result, result->measured);
}

void tl_check_put_bounds(struct tl_buf *out, const struct tl_check_result *result)
{
    bool low = !isinf(result->low), high = !isinf(result->high);

    if (!is_bounded(result)) {
        tl_buf_put_str(out, "-");
        return;
    }
    if (!high || !low)
        tl_buf_put_str(out, low ? "at least " : "at most ");
    if (low)
        put_number(out, result, result->low);
    if (low && high && result->low == result->high)
        return;
    tl_buf_put_str(out, low && high ? " to " : "");
    if (high)
        put_number(out, result, result->high);
}

static void put_time(struct tl_buf *out, int64_t time_ms)
{
    char text[TL_TIME_TEXT_BYTES];

    tl_time_to_iso_z(time_ms, text);
    tl_buf_put_str(out, time_ms == INT64_MIN ? "" : text);
}

void tl_check_put_range(struct tl_buf *out, int64_t from_ms, int64_t to_ms)
{
    put_time(out, from_ms);
    tl_buf_put_str(out, "..");
    put_time(out, to_ms);
}

void tl_check_put_result(struct tl_buf *out, const struct tl_check_result *result)
{
    char count[TL_COUNT_TEXT_BYTES];
    bool detailed = result->detail.size > 0;

    tl_buf_printf(out, "check %.*s: ", TL_SV_ARG(result->check));
    if (isnan(result->measured) && !is_bounded(result)) { /* of rows */
        tl_buf_printf(out, "%s event%s against %.*s", tl_count_text(result->violations_count, count),
                      result->violations_count == 1 ? " is" : "s are", TL_SV_ARG(result->measure));
    } else {
        tl_buf_printf(out, "%.*s is ", TL_SV_ARG(result->measure));
        if (isnan(result->measured) && detailed) {
            tl_buf_put_sv(out, result->detail); /* "no rows" */
            detailed = false;
        } else {
            tl_check_put_measured(out, result);
        }
        if (is_bounded(result)) {
            tl_buf_put_str(out, ", where ");
            tl_check_put_bounds(out, result);
            tl_buf_put_str(out, " would do");
        }
    }
    if (detailed)
        tl_buf_printf(out, " (%.*s)", TL_SV_ARG(result->detail));
}

bool tl_check_keeps_back(const struct tl_check_result *result)
{
    return !result->passed && tl_sv_eq(result->violation, tl_sv_from(tl_violation_name(TL_VIOLATION_FAIL_UPDATE)));
}

bool tl_check_keeps_back_now(const struct tl_stored_check *check)
{
    return check->newest && tl_check_keeps_back(&check->result) && (check->kept == TL_KEPT_CHECK || check->kept == TL_KEPT_CHAIN);
}

bool tl_check_is_accepted(const struct tl_stored_check *check)
{
    struct tl_sv rest = check->accepted;

    while (!check->result.passed && rest.size > 0)
        if (tl_sv_eq(tl_sv_cut(&rest, ','), check->result.check))
            return true;
    return false;
}

const char *tl_check_verdict(const struct tl_stored_check *check)
{
    if (check->result.passed)
        return "passed";
    if (!tl_check_keeps_back(&check->result))
        return tl_sv_eq(check->result.violation, tl_sv_from(tl_violation_name(TL_VIOLATION_WARN))) ? "warned" : "dropped";
    if (tl_check_is_accepted(check))
        return "accepted";
    return tl_check_keeps_back_now(check) ? "kept back" : "failed";
}
