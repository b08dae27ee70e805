/* function_hash.c: digests of a text's UTF-8 bytes, in lower-case hexadecimal: MD5, SHA1, SHA224 to SHA512, SHA2. */
#include <openssl/evp.h>
#include <string.h>

#include "core/function_rows.h"

/* --- what OpenSSL keeps: the algorithm for the plan, a context for the thread --------------------------------------------- */

static void *context_open(void)
{
    return EVP_MD_CTX_new();
}

static void context_close(void *context)
{
    EVP_MD_CTX_free(context);
}

static const struct tl_memory_kind context_kind = {context_open, context_close};

static void digest_free(void *digest)
{
    EVP_MD_free(digest);
}

/* Looked up once: a look-up takes as long as the digest of a short text. */
static enum tl_code digest_fetch(struct tl_arena *arena, const char *name, EVP_MD **out, struct tl_err *err)
{
    *out = EVP_MD_fetch(NULL, name, NULL);
    if (*out == NULL)
        return tl_fail(err, TL_ERR_DEFINITION, "OpenSSL does not offer %s here", name);
    if (!tl_arena_on_end(arena, digest_free, *out)) {
        EVP_MD_free(*out);
        return tl_fail_memory(err, sizeof *out);
    }
    return TL_OK;
}

/* False: out of memory. */
static bool digest_row(const struct tl_call *call, uint32_t row, const EVP_MD *digest)
{
    static const char digits[] = "0123456789abcdef";
    struct tl_sv text = call->args[0].sv[row];
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    char *hex;

    if (!EVP_DigestInit_ex2(call->memory, digest, NULL) || !EVP_DigestUpdate(call->memory, text.data, text.size) ||
        !EVP_DigestFinal_ex(call->memory, bytes, &size))
        return false;
    hex = tl_arena_bytes(call->arena, 2 * (size_t)size);
    if (hex == NULL)
        return false;
    call->out->sv[row] = (struct tl_sv){hex, 2 * (size_t)size};
    for (unsigned i = 0; i < size; i++) {
        *hex++ = digits[bytes[i] >> 4];
        *hex++ = digits[bytes[i] & 15];
    }
    return true;
}

/* --- one algorithm by its name -------------------------------------------------------------------------------------------- */

static bool digest(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);)
        if (!digest_row(call, row, call->state))
            return false;
    return true;
}

#define DIGEST_PREPARE(prepare, NAME)                                                                                            \
    static enum tl_code prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)                           \
    {                                                                                                                            \
        EVP_MD *made;                                                                                                            \
        enum tl_code rc = digest_fetch(with->arena, NAME, &made, err);                                                           \
                                                                                                                                 \
        if (rc == TL_OK)                                                                                                         \
            *state = made;                                                                                                       \
        return rc;                                                                                                               \
    }

DIGEST_PREPARE(md5_prepare, "MD5")
DIGEST_PREPARE(sha1_prepare, "SHA1")
DIGEST_PREPARE(sha224_prepare, "SHA2-224")
DIGEST_PREPARE(sha256_prepare, "SHA2-256")
DIGEST_PREPARE(sha384_prepare, "SHA2-384")
DIGEST_PREPARE(sha512_prepare, "SHA2-512")

/* --- SHA2(text, bits) ----------------------------------------------------------------------------------------------------- */

enum { SHA2_SIZES = 4 };

static const struct {
    int64_t bits;
    const char *name;
} sha2_sizes[SHA2_SIZES] = {
    {224, "SHA2-224"},
    {256, "SHA2-256"},
    {384, "SHA2-384"},
    {512, "SHA2-512"},
};

/* SHA2_SIZES: there is no such size. */
static size_t sha2_number(int64_t bits)
{
    size_t i = 0;

    while (i < SHA2_SIZES && sha2_sizes[i].bits != bits)
        i++;
    return i;
}

/* The state is all four algorithms: the bits may be a column. */
static bool sha2(const struct tl_call *call)
{
    EVP_MD *const *digests = call->state;

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        size_t number = sha2_number(call->args[1].i64[row]);

        if (number == SHA2_SIZES)
            tl_call_fail(call, row);
        else if (!digest_row(call, row, digests[number]))
            return false;
    }
    return true;
}

static enum tl_code sha2_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    const struct tl_value *bits = &with->constants[1];
    EVP_MD **digests = tl_arena_zalloc(with->arena, sizeof *digests * SHA2_SIZES);
    enum tl_code rc = TL_OK;

    if (digests == NULL)
        return tl_fail_memory(err, sizeof *digests * SHA2_SIZES);
    if (!bits->is_null && sha2_number(bits->i64) == SHA2_SIZES)
        return tl_fail(err, TL_ERR_DEFINITION, "SHA2 has 224, 256, 384 or 512 bits, not %lld", (long long)bits->i64);
    for (size_t i = 0; i < SHA2_SIZES; i++)
        TL_TRY(digest_fetch(with->arena, sha2_sizes[i].name, &digests[i], err));
    *state = digests;
out:
    return rc;
}

#define DIGEST(NAME, PREPARE)                                                                                                    \
    {                                                                                                                            \
        .name = (NAME), .signature = NAME "(STRING) -> STRING", .args = {TL_STRING}, .args_min = 1, .args_max = 1,               \
        .result = TL_STRING, .null_in_null_out = true, .kernel = digest, .prepare = (PREPARE), .memory = &context_kind           \
    }

static const struct tl_function functions[] = {
    DIGEST("MD5", md5_prepare),
    DIGEST("SHA1", sha1_prepare),
    DIGEST("SHA224", sha224_prepare),
    DIGEST("SHA256", sha256_prepare),
    DIGEST("SHA384", sha384_prepare),
    DIGEST("SHA512", sha512_prepare),
    TL_ROW("SHA2", "SHA2(STRING, bits BIGINT) -> STRING", 2, 2, STRING, sha2, .args = {TL_STRING, TL_BIGINT}, .can_fail = true,
           .prepare = sha2_prepare, .memory = &context_kind),
};

const struct tl_catalog tl_functions_hash = {functions, TL_COUNT(functions), &tl_functions_json, NULL};
