/* dedup_fuzz.c: the ids of a partition from any bytes: refused, or a horizon that judges as one that saw the ids itself, and
 * so does one that is loaded from what that saves. */
#include <stdlib.h>

#include "core/dedup.h"
#include "fuzz/target.h"

enum { HORIZON_MS = 3600000, IDS_MAX = 20 };

static struct tl_horizon *open_one(void)
{
    struct tl_horizon *horizon;

    CHECK(tl_horizon_open(HORIZON_MS, IDS_MAX, &horizon, NULL) == TL_OK);
    return horizon;
}

static enum tl_seen see(struct tl_horizon *horizon, struct tl_id id, int64_t log_ms)
{
    enum tl_seen seen;

    CHECK(tl_horizon_see(horizon, id, log_ms, &seen, NULL) == TL_OK);
    return seen;
}

/* Hands each id of the bytes to `one`, and to `other` if there is one: they must agree. What `one` has to save after each goes
 * to `saved`. */
static void see_all(struct tl_sv bytes, struct tl_horizon *one, struct tl_horizon *other, struct tl_buf *saved)
{
    struct tl_reader reader = tl_reader_of(bytes);

    while (!tl_reader_at_end(&reader)) {
        int64_t base_ms = (int64_t)tl_reader_u64(&reader);
        uint32_t count = tl_reader_u32(&reader);

        CHECK(!reader.failed);
        for (uint32_t i = 0; i < count; i++) {
            uint64_t high = tl_reader_u64(&reader);
            struct tl_id id = {.high = high, .time = tl_reader_u32(&reader)};
            int64_t log_ms = tl_add_sat_i64(base_ms, (int64_t)tl_reader_u32(&reader));
            enum tl_seen seen = see(one, id, log_ms);

            CHECK(other == NULL || see(other, id, log_ms) == seen);
            tl_horizon_save(one, saved);
            tl_horizon_saved(one);
        }
    }
    CHECK(!saved->failed && (other == NULL || tl_horizon_count(one) == tl_horizon_count(other)));
}

/* One that sees the ids as they come, and one that is loaded from what the first one saved of them: they go on alike. */
static void restart_try(struct tl_sv bytes, const struct tl_horizon *loaded)
{
    struct tl_horizon *seen = open_one(), *again = open_one();
    struct tl_buf saved;

    tl_buf_init(&saved, 0);
    see_all(bytes, seen, NULL, &saved);
    CHECK(tl_horizon_count(loaded) == tl_horizon_count(seen));
    CHECK(tl_horizon_load(again, tl_buf_sv(&saved), NULL) == TL_OK && tl_horizon_count(again) == tl_horizon_count(seen));
    see_all(bytes, seen, again, &saved);
    tl_horizon_close(seen);
    tl_horizon_close(again);
    tl_buf_done(&saved);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv bytes = {(const char *)data, size};
    struct tl_horizon *loaded = open_one();
    size_t held = tl_horizon_bytes(loaded);
    struct tl_err err = {0};
    struct tl_buf out;
    enum tl_code rc = tl_horizon_load(loaded, bytes, &err);

    CHECK(rc == TL_OK || (rc == TL_ERR_CORRUPT && err.code == rc));
    CHECK(tl_horizon_count(loaded) <= IDS_MAX && tl_horizon_bytes(loaded) <= held + (1u << 20) + 64 * size);
    if (rc == TL_OK) {
        tl_buf_init(&out, 0);
        tl_horizon_save(loaded, &out);
        CHECK(out.size == 0); /* it has been saved */
        tl_buf_done(&out);
        restart_try(bytes, loaded);
    }
    tl_horizon_close(loaded);
    return 0;
}
