/* passes.c: what a browser has that has signed in. See passes.h. */
#include "passes.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"

enum { PASS_BYTES = 32 };

struct pass {
    uint8_t hash[SHA256_DIGEST_LENGTH];
    int64_t until_ms; /* monotonic; 0: there is none */
};

struct tl_passes {
    char name[24]; /* of the cookie */
    struct pass passes[TL_PASSES_MAX];
};

enum tl_code tl_passes_open(uint16_t port, struct tl_passes **out, struct tl_err *err)
{
    struct tl_passes *passes = calloc(1, sizeof *passes);

    if (passes == NULL)
        return tl_fail_memory(err, sizeof *passes);
    snprintf(passes->name, sizeof passes->name, "tally-%u", (unsigned)port);
    *out = passes;
    return TL_OK;
}

void tl_passes_close(struct tl_passes *passes)
{
    if (passes == NULL)
        return;
    OPENSSL_cleanse(passes->passes, sizeof passes->passes);
    free(passes);
}

static void put_cookie(const struct tl_passes *passes, const struct tl_http_call *call, const char *value, const char *more,
                       struct tl_buf *headers)
{
    tl_buf_printf(headers, "Set-Cookie: %s=%s; Path=/; HttpOnly; SameSite=Strict%s%s\r\n", passes->name, value,
                  call->is_tls ? "; Secure" : "", more);
}

enum tl_code tl_passes_give(struct tl_passes *passes, const struct tl_http_call *call, struct tl_buf *headers, struct tl_err *err)
{
    struct pass *to = &passes->passes[0];
    uint8_t bytes[PASS_BYTES];
    char text[2 * PASS_BYTES + 1];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return tl_fail_errno(err, TL_ERR_IO, "getrandom");
    for (size_t i = 0; i < PASS_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    for (size_t p = 1; p < TL_PASSES_MAX; p++)
        if (passes->passes[p].until_ms < to->until_ms)
            to = &passes->passes[p];
    (void)!EVP_Digest(text, sizeof text - 1, to->hash, NULL, EVP_sha256(), NULL);
    to->until_ms = tl_clock_monotonic_ms() + TL_PASS_IDLE_MS;
    put_cookie(passes, call, text, "", headers);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(text, sizeof text);
    return TL_OK;
}

/* All are looked at, whichever it is. NULL: none. */
static struct pass *find(struct tl_passes *passes, struct tl_sv value, int64_t now_ms)
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    struct pass *found = NULL;

    if (value.size != (size_t)2 * PASS_BYTES)
        return NULL;
    (void)!EVP_Digest(value.data, value.size, hash, NULL, EVP_sha256(), NULL);
    for (size_t p = 0; p < TL_PASSES_MAX; p++)
        if (CRYPTO_memcmp(hash, passes->passes[p].hash, sizeof hash) == 0 && passes->passes[p].until_ms > now_ms)
            found = &passes->passes[p];
    return found;
}

/* Of a call that has several cookies of that name, as a proxy's path may make, any good one; each that it has is good until then. */
static bool set_until(struct tl_passes *passes, const struct tl_http_call *call, int64_t until_ms)
{
    struct tl_sv rest = tl_http_call_header(call, "cookie");
    int64_t now_ms = tl_clock_monotonic_ms();
    bool found = false;

    while (rest.size > 0) {
        struct tl_sv value = tl_sv_trim(tl_sv_cut(&rest, ';')), name = tl_sv_cut(&value, '=');
        struct pass *pass = tl_sv_eq(name, tl_sv_from(passes->name)) ? find(passes, value, now_ms) : NULL;

        if (pass == NULL)
            continue;
        pass->until_ms = until_ms;
        found = true;
    }
    return found;
}

bool tl_passes_has(struct tl_passes *passes, const struct tl_http_call *call)
{
    return set_until(passes, call, tl_clock_monotonic_ms() + TL_PASS_IDLE_MS);
}

void tl_passes_take(struct tl_passes *passes, const struct tl_http_call *call, struct tl_buf *headers)
{
    (void)set_until(passes, call, 0);
    put_cookie(passes, call, "", "; Max-Age=0", headers);
}
