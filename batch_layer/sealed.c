/* sealed.c: days whose events the record may have lost to retention. See sealed.h. */
#include "sealed.h"

struct upto_ctx {
    const struct tl_input *input;
    int64_t upto_ms;
};

struct tl_sv tl_sealed_topic(const struct tl_input_partition *partition)
{
    return partition->partition >= TL_PARTITION_IMPORTED ? tl_topic_of_record(partition->topic) : partition->topic;
}

static enum tl_code see_seal(void *ctx, struct tl_sv topic, int64_t upto_ms, int64_t sealed_ms, struct tl_err *err)
{
    struct upto_ctx *upto = ctx;

    (void)sealed_ms;
    (void)err;
    for (uint32_t p = 0; p < upto->input->partitions_count; p++)
        if (tl_sv_eq(tl_sealed_topic(&upto->input->partitions[p]), topic))
            upto->upto_ms = tl_max_i64(upto->upto_ms, upto_ms);
    return TL_OK;
}

enum tl_code tl_sealed_upto(struct tl_store *store, const struct tl_input *input, int64_t *upto_ms, struct tl_err *err)
{
    struct upto_ctx upto = {input, INT64_MIN};
    enum tl_code rc;

    TL_TRY(tl_store_sealed(store, see_seal, &upto, err));
    *upto_ms = upto.upto_ms;
out:
    return rc;
}
