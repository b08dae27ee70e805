/* answers.c: answers that were given, kept for as long as they hold. See answers.h. */
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>
#include <zstd.h>

#include "base/table.h"

enum { SLOTS = 4096, BRIEFLY_MS = 1000, FRESH_MS = 10000, GZIP_LEVEL = 4, ZSTD_LEVEL = 3 };

struct tl_answers {
    struct tl_kept *slots[SLOTS];
    struct tl_kept ends; /* a ring: its `older` was asked for last */
    size_t bytes, bytes_max;
};

/* ---- forms ---- */

const char *tl_coding_name(enum tl_coding form)
{
    return form == TL_CODING_GZIP ? "gzip" : form == TL_CODING_ZSTD ? "zstd" : NULL;
}

/* zstd where both are taken: of 1 MB of rows it makes less in a third of the time. */
enum tl_coding tl_coding_accepted(struct tl_sv accept)
{
    bool gzip = false, zstd = false;

    while (accept.size > 0) {
        struct tl_sv rest = tl_sv_cut(&accept, ','), coding = tl_sv_trim(tl_sv_cut(&rest, ';')), value = tl_sv_trim(rest);
        bool refused = value.size > 2 && (value.data[0] | 0x20) == 'q' && value.data[1] == '=' &&
                       strspn(value.data + 2, "0.") >= value.size - 2;

        if (tl_sv_eq_nocase(coding, TL_SV("gzip")))
            gzip = !refused;
        if (tl_sv_eq_nocase(coding, TL_SV("zstd")))
            zstd = !refused;
    }
    return zstd ? TL_CODING_ZSTD : gzip ? TL_CODING_GZIP : TL_CODING_PLAIN;
}

static struct tl_blob *make_gzip(struct tl_sv plain)
{
    z_stream stream = {.zalloc = NULL};
    struct tl_buf out;
    struct tl_blob *blob = NULL;
    uLong most;

    if (plain.size > UINT32_MAX / 2 || deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    most = deflateBound(&stream, plain.size);
    tl_buf_init(&out, 0);
    stream.next_in = (Bytef *)(uintptr_t)plain.data;
    stream.avail_in = (uInt)plain.size;
    stream.next_out = (Bytef *)tl_buf_reserve(&out, most);
    stream.avail_out = (uInt)most;
    if (stream.next_out != NULL && deflate(&stream, Z_FINISH) == Z_STREAM_END)
        blob = tl_blob_copy((struct tl_sv){out.data, stream.total_out});
    deflateEnd(&stream);
    tl_buf_done(&out);
    return blob;
}

static struct tl_blob *make_zstd(struct tl_sv plain)
{
    size_t most = ZSTD_compressBound(plain.size), size;
    struct tl_blob *blob = NULL;
    struct tl_buf out;
    char *to;

    tl_buf_init(&out, 0);
    to = tl_buf_reserve(&out, most);
    size = to != NULL ? ZSTD_compress(to, most, plain.data, plain.size, ZSTD_LEVEL) : 0;
    if (to != NULL && !ZSTD_isError(size))
        blob = tl_blob_copy((struct tl_sv){to, size});
    tl_buf_done(&out);
    return blob;
}

static struct tl_blob *make_stale(struct tl_sv plain)
{
    static const char fresh[] = TL_API_FRESH_TAIL, stale[] = "\"stale\": true}\n";
    struct tl_blob *blob = NULL;
    struct tl_buf out;

    assert(tl_sv_ends(plain, TL_SV(TL_API_FRESH_TAIL)));
    tl_buf_init(&out, 0);
    tl_buf_put(&out, plain.data, plain.size - (sizeof fresh - 1));
    tl_buf_put_str(&out, stale);
    if (!out.failed)
        blob = tl_blob_copy(tl_buf_sv(&out));
    tl_buf_done(&out);
    return blob;
}

struct tl_blob *tl_coding_make(enum tl_coding form, struct tl_sv plain)
{
    switch (form) {
    case TL_CODING_PLAIN: return tl_blob_copy(plain);
    case TL_CODING_GZIP: return make_gzip(plain);
    case TL_CODING_ZSTD: return make_zstd(plain);
    case TL_CODING_STALE: return make_stale(plain);
    case TL_CODINGS: break;
    }
    return NULL;
}

void tl_etag_of(struct tl_sv body, char out[TL_ETAG_BYTES])
{
    XXH128_hash_t hash = XXH3_128bits(body.data, body.size);

    snprintf(out, TL_ETAG_BYTES, "%016llx%016llx", (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}

/* ---- the table ---- */

static struct tl_kept **slot_of(struct tl_answers *answers, uint64_t hash)
{
    return &answers->slots[hash % SLOTS];
}

static void unlink_age(struct tl_kept *kept)
{
    kept->older->newer = kept->newer;
    kept->newer->older = kept->older;
}

static void link_newest(struct tl_answers *answers, struct tl_kept *kept)
{
    kept->newer = &answers->ends;
    kept->older = answers->ends.older;
    kept->older->newer = kept;
    answers->ends.older = kept;
}

static void drop(struct tl_answers *answers, struct tl_kept *kept)
{
    struct tl_kept **at = slot_of(answers, kept->hash);

    while (*at != kept)
        at = &(*at)->chain;
    *at = kept->chain;
    unlink_age(kept);
    answers->bytes -= kept->bytes;
    for (int f = 0; f < TL_CODINGS; f++)
        tl_blob_drop(kept->forms[f]);
    free(kept->headers);
    free(kept);
}

static void make_room(struct tl_answers *answers, const struct tl_kept *but)
{
    while (answers->bytes > answers->bytes_max && answers->ends.newer != &answers->ends && answers->ends.newer != but)
        drop(answers, answers->ends.newer);
}

enum tl_code tl_answers_open(size_t bytes_max, struct tl_answers **out, struct tl_err *err)
{
    struct tl_answers *answers = calloc(1, sizeof *answers);

    if (answers == NULL)
        return tl_fail_memory(err, sizeof *answers);
    answers->bytes_max = bytes_max;
    answers->ends.older = answers->ends.newer = &answers->ends;
    *out = answers;
    return TL_OK;
}

void tl_answers_close(struct tl_answers *answers)
{
    if (answers == NULL)
        return;
    while (answers->ends.newer != &answers->ends)
        drop(answers, answers->ends.newer);
    free(answers);
}

static struct tl_kept *find(struct tl_answers *answers, uint64_t hash, struct tl_sv key)
{
    struct tl_kept *kept = *slot_of(answers, hash);

    while (kept != NULL && (kept->hash != hash || !tl_sv_eq(kept->key, key)))
        kept = kept->chain;
    return kept;
}

struct tl_kept *tl_answers_find(struct tl_answers *answers, struct tl_sv key)
{
    struct tl_kept *kept = find(answers, tl_hash_bytes(key), key);

    if (kept != NULL) {
        unlink_age(kept);
        link_newest(answers, kept);
    }
    return kept;
}

static size_t bytes_of(const struct tl_kept *kept)
{
    size_t bytes = sizeof *kept + kept->key.size;

    for (int f = 0; f < TL_CODINGS; f++)
        bytes += kept->forms[f] != NULL ? kept->forms[f]->size : 0;
    return bytes;
}

struct tl_kept *tl_answers_put(struct tl_answers *answers, struct tl_sv key, const struct tl_kept *from)
{
    uint64_t hash = tl_hash_bytes(key);
    struct tl_kept *before = find(answers, hash, key), *kept;

    if (before != NULL)
        drop(answers, before);
    kept = bytes_of(from) + key.size <= answers->bytes_max ? malloc(sizeof *kept + key.size) : NULL;
    if (kept == NULL)
        return NULL;
    *kept = *from;
    memcpy(kept + 1, key.data, key.size);
    kept->key = (struct tl_sv){(const char *)(kept + 1), key.size};
    kept->hash = hash;
    kept->bytes = bytes_of(kept);
    kept->chain = *slot_of(answers, hash);
    *slot_of(answers, hash) = kept;
    link_newest(answers, kept);
    answers->bytes += kept->bytes;
    make_room(answers, kept);
    return kept;
}

void tl_answers_put_form(struct tl_answers *answers, struct tl_kept *kept, enum tl_coding form, struct tl_blob *blob)
{
    tl_blob_drop(kept->forms[form]);
    kept->forms[form] = blob;
    answers->bytes -= kept->bytes;
    kept->bytes = bytes_of(kept);
    answers->bytes += kept->bytes;
    make_room(answers, kept);
}

bool tl_kept_holds(const struct tl_kept *kept, const struct tl_pulse_beat *now, int64_t now_ms)
{
    int64_t age_ms = now_ms - kept->read_ms;
    bool is_fresh = !now->away && (!kept->has_tail || age_ms < FRESH_MS);

    switch (kept->valid) {
    case TL_API_ONCE: return false;
    case TL_API_BRIEFLY: return !now->away && kept->beat.publications == now->publications && age_ms < BRIEFLY_MS;
    case TL_API_UNCHANGED: return is_fresh && kept->beat.changes == now->changes;
    case TL_API_PUBLISHED: return is_fresh && kept->beat.publications == now->publications;
    case TL_API_ALWAYS: return true;
    }
    return false;
}

size_t tl_answers_bytes(const struct tl_answers *answers)
{
    return answers->bytes;
}
