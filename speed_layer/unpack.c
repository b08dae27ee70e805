/* unpack.c: bytes out of packed bytes. See unpack.h. */
#include "speed_layer/unpack.h"

#include <stdlib.h>
#include <zstd.h>

#define ZLIB_CONST
#include <zlib.h>

struct tl_unpack {
    enum tl_unpack_kind kind;
    bool within;
    ZSTD_DStream *zstd;
    z_stream gzip;
    bool gzip_open;
    uint64_t members_count; /* that have ended */
};

enum { GZIP_ALONE = 16 + MAX_WBITS };

enum tl_code tl_unpack_open(enum tl_unpack_kind kind, struct tl_unpack **out, struct tl_err *err)
{
    struct tl_unpack *unpack = calloc(1, sizeof *unpack);
    enum tl_code rc;

    if (unpack == NULL)
        return tl_fail_memory(err, sizeof *unpack);
    unpack->kind = kind;
    if (kind == TL_UNPACK_ZSTD)
        unpack->zstd = ZSTD_createDStream();
    else
        unpack->gzip_open = inflateInit2(&unpack->gzip, GZIP_ALONE) == Z_OK;
    if (unpack->zstd == NULL && !unpack->gzip_open)
        TL_TRY(tl_fail_memory(err, ZSTD_DStreamInSize()));
    TL_TRY(tl_unpack_restart(unpack, err));
    *out = unpack;
out:
    if (rc != TL_OK)
        tl_unpack_close(unpack);
    return rc;
}

void tl_unpack_close(struct tl_unpack *unpack)
{
    if (unpack == NULL)
        return;
    ZSTD_freeDStream(unpack->zstd);
    if (unpack->gzip_open)
        inflateEnd(&unpack->gzip);
    free(unpack);
}

enum tl_code tl_unpack_restart(struct tl_unpack *unpack, struct tl_err *err)
{
    unpack->within = false;
    unpack->members_count = 0;
    if (unpack->kind == TL_UNPACK_ZSTD ? ZSTD_isError(ZSTD_initDStream(unpack->zstd)) : inflateReset(&unpack->gzip) != Z_OK)
        return tl_fail_memory(err, ZSTD_DStreamInSize());
    return TL_OK;
}

const char *tl_unpack_name(const struct tl_unpack *unpack)
{
    return unpack->kind == TL_UNPACK_ZSTD ? "zstd" : "gzip";
}

static const char *zstd_some(struct tl_unpack *unpack, struct tl_unpack_step *step)
{
    ZSTD_inBuffer in = {step->in, step->in_bytes, step->taken};
    ZSTD_outBuffer out = {step->out, step->out_bytes, step->given};
    size_t left = ZSTD_decompressStream(unpack->zstd, &out, &in);

    step->taken = in.pos;
    step->given = out.pos;
    if (ZSTD_isError(left))
        return ZSTD_getErrorName(left);
    unpack->within = left != 0;
    return NULL;
}

/* zlib counts in unsigned int. */
static uInt some_of(size_t bytes)
{
    return bytes < (1u << 30) ? (uInt)bytes : 1u << 30;
}

static const char *gzip_some(struct tl_unpack *unpack, struct tl_unpack_step *step)
{
    z_stream *gzip = &unpack->gzip;
    int result;

    if (!unpack->within) {
        while (unpack->members_count > 0 && step->taken < step->in_bytes && step->in[step->taken] == '\0')
            step->taken++;
        if (step->taken == step->in_bytes)
            return NULL;
        if (inflateReset(gzip) != Z_OK)
            return "zlib does not begin anew";
        unpack->within = true;
    }
    gzip->next_in = (const Bytef *)step->in + step->taken;
    gzip->avail_in = some_of(step->in_bytes - step->taken);
    gzip->next_out = (Bytef *)step->out + step->given;
    gzip->avail_out = some_of(step->out_bytes - step->given);
    result = inflate(gzip, Z_NO_FLUSH);
    step->taken = (size_t)((const char *)gzip->next_in - step->in);
    step->given = (size_t)((char *)gzip->next_out - step->out);
    if (result == Z_STREAM_END) {
        unpack->within = false;
        unpack->members_count++;
    } else if (result != Z_OK && result != Z_BUF_ERROR) { /* Z_BUF_ERROR: it could do nothing, for want of bytes or room */
        if (gzip->total_out == 0 && unpack->members_count > 0)
            return "what stands behind its last member is no gzip";
        return result == Z_MEM_ERROR ? "out of memory" : gzip->msg != NULL ? gzip->msg : "no gzip data";
    }
    return NULL;
}

const char *tl_unpack_some(struct tl_unpack *unpack, struct tl_unpack_step *step)
{
    return unpack->kind == TL_UNPACK_ZSTD ? zstd_some(unpack, step) : gzip_some(unpack, step);
}

bool tl_unpack_is_within(const struct tl_unpack *unpack)
{
    return unpack->within;
}
