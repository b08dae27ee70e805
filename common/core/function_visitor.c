/* function_visitor.c: VISITOR_ID: a name for whoever sent the event that holds for one day (UTC) and says nothing about him.
 *
 * HMAC-SHA256 under the store's secret (store.h), so both layers name him alike, and nobody without the store can try addresses out. The
 * message, all numbers little endian:
 *     day of the event time, 8 bytes (since 1970-01-01), then ip, user agent, host: size, 4 bytes, and the bytes; of one that is NULL the
 *     size is ffffffff. Sizes keep ('a', 'bc') and ('ab', 'c') apart. Of a user agent in JSON it is the text (agent_text.h).
 * The id is the first 16 bytes, as 32 hex digits. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "core/agent_text.h"
#include "core/function_files.h"
#include "core/function_rows.h"
#include "core/recent.h"

enum { ID_BYTES = 16, FIELDS = 3, AGENT = 1, EVENT_TIME = FIELDS /* the argument behind them */ };

static const int64_t day_ms = INT64_C(86400000);

/* The key's schedule is made once a thread. A visitor's events come together: what was found for the message lately spares the hash
 * (0.11 us instead of 0.53 us for 120 bytes; a context copied for each row took 1.6 times as long). */
struct memory {
    EVP_MAC_CTX *mac;
    bool has_key;
    struct tl_buf message, key; /* the key: the message as the columns have it */
    struct tl_agent_text reader;
    struct tl_recent *recent;
};

static void memory_close(void *data)
{
    struct memory *memory = data;

    EVP_MAC_CTX_free(memory->mac);
    if (memory->recent != NULL)
        tl_recent_close(memory->recent);
    tl_agent_text_done(&memory->reader);
    tl_buf_done(&memory->key);
    tl_buf_done(&memory->message);
    free(memory);
}

static void *memory_open(void)
{
    struct memory *memory = calloc(1, sizeof *memory);
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

    if (memory == NULL || hmac == NULL) {
        free(memory);
        EVP_MAC_free(hmac);
        return NULL;
    }
    tl_buf_init(&memory->message, 0);
    tl_buf_init(&memory->key, 0);
    memory->recent = tl_recent_open();
    memory->mac = EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac); /* the context has its own hold on it */
    if (memory->recent != NULL && memory->mac != NULL)
        return memory;
    memory_close(memory);
    return NULL;
}

static const struct tl_memory_kind memory_kind = {memory_open, memory_close};

static bool key_set(struct memory *memory, const struct tl_functions *functions)
{
    char digest[] = "SHA256";
    const OSSL_PARAM with[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};

    assert(functions->has_secret); /* whoever evaluates has asked tl_functions_want_secret() */
    memory->has_key = EVP_MAC_init(memory->mac, functions->secret, TL_SECRET_BYTES, with) == 1;
    return memory->has_key;
}

static void put_field(struct tl_buf *message, const struct tl_vec *field, uint32_t row, struct tl_sv text)
{
    if (field->null[row]) {
        tl_buf_put_u32(message, UINT32_MAX);
        return;
    }
    tl_buf_put_u32(message, (uint32_t)text.size);
    tl_buf_put_sv(message, text);
}

static bool message_make(struct tl_buf *message, const struct tl_call *call, uint32_t row, const struct tl_sv texts[FIELDS])
{
    const int64_t time_ms = call->args[EVENT_TIME].i64[row];

    tl_buf_clear(message);
    tl_buf_put_u64(message, (uint64_t)(time_ms / day_ms - (time_ms % day_ms < 0)));
    for (uint32_t f = 0; f < FIELDS; f++)
        put_field(message, &call->args[f], row, texts[f]);
    return !message->failed;
}

/* Without a key, the context takes the one it has. */
static bool id_make(struct memory *memory, struct tl_sv message, char out[2 * ID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t mac[EVP_MAX_MD_SIZE];
    size_t size;

    if (EVP_MAC_init(memory->mac, NULL, 0, NULL) != 1 ||
        EVP_MAC_update(memory->mac, (const uint8_t *)message.data, message.size) != 1 ||
        EVP_MAC_final(memory->mac, mac, &size, sizeof mac) != 1)
        return false;
    for (size_t i = 0; i < ID_BYTES; i++) {
        out[2 * i] = digits[mac[i] >> 4];
        out[2 * i + 1] = digits[mac[i] & 15];
    }
    return true;
}

/* *out is good until the next call. */
static bool id_find(struct memory *memory, const struct tl_call *call, uint32_t row, char id[2 * ID_BYTES], struct tl_sv *out)
{
    struct tl_sv texts[FIELDS];

    for (uint32_t f = 0; f < FIELDS; f++)
        texts[f] = call->args[f].sv[row];
    if (!message_make(&memory->key, call, row, texts))
        return false;
    if (tl_recent_find(memory->recent, tl_buf_sv(&memory->key), out))
        return true;
    if ((!call->args[AGENT].null[row] && !tl_agent_text_find(&memory->reader, texts[AGENT], &texts[AGENT])) ||
        !message_make(&memory->message, call, row, texts) || !id_make(memory, tl_buf_sv(&memory->message), id))
        return false;
    *out = (struct tl_sv){id, 2 * ID_BYTES};
    tl_recent_put(memory->recent, tl_buf_sv(&memory->key), *out);
    return true;
}

static bool visitor_id(const struct tl_call *call)
{
    struct memory *memory = call->memory;

    if (!memory->has_key && !key_set(memory, call->state))
        return false;
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        char id[2 * ID_BYTES];
        struct tl_sv found;

        if (call->args[0].null[row]) {
            tl_call_null(call, row);
            continue;
        }
        if (!id_find(memory, call, row, id, &found) || !tl_arena_copy(call->arena, found, &call->out->sv[row]))
            return false;
    }
    return true;
}

static enum tl_code visitor_id_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    if (with->functions == NULL)
        return tl_fail(err, TL_ERR_DEFINITION, "VISITOR_ID needs the secret of a store, and there is none here");
    with->functions->wants_secret = true;
    *state = with->functions;
    return TL_OK;
}

static const struct tl_function functions[] = {
    {.name = "VISITOR_ID",
     .signature = "VISITOR_ID(ip STRING, user_agent STRING, host STRING) -> STRING",
     .args = {TL_STRING, TL_STRING, TL_STRING},
     .args_min = FIELDS,
     .args_max = FIELDS,
     .result = TL_STRING,
     .ours = true,
     .of_event = true,
     .kernel = visitor_id,
     .prepare = visitor_id_prepare,
     .memory = &memory_kind},
};

const struct tl_catalog tl_functions_visitor = {functions, TL_COUNT(functions), NULL, NULL};
