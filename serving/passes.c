/* passes.c: what a browser has that has signed in. See passes.h. */
#include "passes.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    PASS_BYTES = 32,
    COOKIES_MAX =
        8, /* of that name that are looked at; there is one, but where a proxy's path or another host of the domain has made more */
};

struct pass {
    uint8_t hash[SHA256_DIGEST_LENGTH];
    int64_t until_ms; /* 0: there is none */
    int64_t end_ms;   /* until_ms is never beyond it */
    size_t owner;
    struct tl_pass_use *uses;
};

struct tl_passes {
    char name[24]; /* of the cookie */
    int64_t whole_ms;
    struct pass passes[TL_PASSES_MAX];
};

enum tl_code tl_passes_open(uint16_t port, int64_t whole_ms, struct tl_passes **out, struct tl_err *err)
{
    struct tl_passes *passes = calloc(1, sizeof *passes);

    if (passes == NULL)
        return tl_fail_memory(err, sizeof *passes);
    snprintf(passes->name, sizeof passes->name, "tally-%u", (unsigned)port);
    passes->whole_ms = whole_ms;
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

bool tl_passes_hash(struct tl_sv text, uint8_t out[SHA256_DIGEST_LENGTH])
{
    return EVP_Digest(text.data != NULL ? text.data : "", text.size, out, NULL, EVP_sha256(), NULL) == 1;
}

/* ---- one ---- */

static void renew(struct pass *pass, int64_t now_ms)
{
    pass->until_ms = tl_min_i64(now_ms + TL_PASS_IDLE_MS, pass->end_ms);
}

void tl_pass_use_done(struct tl_pass_use *use)
{
    if (use->at == NULL)
        return;
    *use->at = use->next;
    if (use->next != NULL)
        use->next->at = use->at;
    use->at = NULL;
}

static void end_pass(struct pass *pass)
{
    struct tl_pass_use *use;

    pass->until_ms = 0;
    while ((use = pass->uses) != NULL) {
        tl_pass_use_done(use);
        use->over(use);
    }
}

void tl_passes_look(struct tl_passes *passes, int64_t now_ms)
{
    for (size_t p = 0; p < TL_PASSES_MAX; p++) {
        struct pass *pass = &passes->passes[p];

        if (pass->until_ms <= now_ms)
            end_pass(pass);
        else if (pass->uses != NULL)
            renew(pass, now_ms);
    }
}

/* ---- those of a call ---- */

/* All are looked at, whichever it is. NULL: none. */
static struct pass *find(struct tl_passes *passes, struct tl_sv value, int64_t now_ms)
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    struct pass *found = NULL;

    if (value.size != (size_t)2 * PASS_BYTES || !tl_passes_hash(value, hash))
        return NULL;
    for (size_t p = 0; p < TL_PASSES_MAX; p++)
        if (CRYPTO_memcmp(hash, passes->passes[p].hash, sizeof hash) == 0 && passes->passes[p].until_ms > now_ms)
            found = &passes->passes[p];
    return found;
}

static size_t find_all(struct tl_passes *passes, const struct tl_http_call *call, int64_t now_ms, struct pass *out[COOKIES_MAX])
{
    struct tl_sv rest = tl_http_call_header(call, "cookie");
    size_t count = 0;

    for (size_t looked = 0; rest.size > 0 && looked < COOKIES_MAX;) {
        struct tl_sv value = tl_sv_trim(tl_sv_cut(&rest, ';')), name = tl_sv_cut(&value, '=');

        if (!tl_sv_eq(name, tl_sv_from(passes->name)))
            continue;
        looked++;
        out[count] = find(passes, value, now_ms);
        count += out[count] != NULL;
    }
    return count;
}

static void end_all(struct tl_passes *passes, const struct tl_http_call *call, int64_t now_ms)
{
    struct pass *found[COOKIES_MAX];
    size_t count = find_all(passes, call, now_ms, found);

    for (size_t f = 0; f < count; f++)
        end_pass(found[f]);
}

bool tl_passes_has(struct tl_passes *passes, const struct tl_http_call *call, int64_t now_ms)
{
    struct pass *found[COOKIES_MAX];
    size_t count = find_all(passes, call, now_ms, found);

    for (size_t f = 0; f < count; f++)
        renew(found[f], now_ms);
    return count > 0;
}

void tl_passes_use(struct tl_passes *passes, const struct tl_http_call *call, int64_t now_ms, struct tl_pass_use *use)
{
    struct pass *found[COOKIES_MAX];

    if (find_all(passes, call, now_ms, found) == 0)
        return;
    use->at = &found[0]->uses;
    use->next = *use->at;
    if (use->next != NULL)
        use->next->at = &use->next;
    *use->at = use;
}

/* ---- given and taken ---- */

/* A browser says with what its page has come, whoever has spoken TLS with it. */
static void put_cookie(const struct tl_passes *passes, const struct tl_http_call *call, const char *value, const char *more,
                       struct tl_buf *headers)
{
    bool is_tls = call->is_tls || tl_sv_starts(tl_http_call_header(call, "origin"), TL_SV("https:"));

    tl_buf_printf(headers, "Set-Cookie: %s=%s; Path=/; HttpOnly; SameSite=Strict%s%s\r\n", passes->name, value,
                  is_tls ? "; Secure" : "", more);
}

/* A free place; else whoever has most makes room. */
static struct pass *place(struct tl_passes *passes, int64_t now_ms)
{
    size_t counts[TL_PASS_OWNERS] = {0};
    struct pass *to = &passes->passes[0];

    for (size_t p = 0; p < TL_PASSES_MAX; p++) {
        if (passes->passes[p].until_ms <= now_ms)
            return &passes->passes[p];
        counts[passes->passes[p].owner]++;
    }
    for (size_t p = 1; p < TL_PASSES_MAX; p++) {
        struct pass *pass = &passes->passes[p];
        size_t has = counts[pass->owner], most = counts[to->owner];

        if (has > most || (has == most && pass->until_ms < to->until_ms))
            to = pass;
    }
    return to;
}

enum tl_code tl_passes_give(struct tl_passes *passes, const struct tl_http_call *call, size_t owner, int64_t now_ms,
                            struct tl_buf *headers, struct tl_err *err)
{
    uint8_t bytes[PASS_BYTES], hash[SHA256_DIGEST_LENGTH];
    char text[2 * PASS_BYTES + 1];
    struct pass *to;

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return tl_fail_errno(err, TL_ERR_IO, "getrandom");
    for (size_t i = 0; i < PASS_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    if (!tl_passes_hash(tl_sv_from(text), hash))
        return tl_fail(err, TL_ERR_IO, "out of memory");
    end_all(passes, call, now_ms);
    to = place(passes, now_ms);
    end_pass(to);
    *to = (struct pass){.end_ms = now_ms + passes->whole_ms, .owner = owner};
    memcpy(to->hash, hash, sizeof hash);
    renew(to, now_ms);
    put_cookie(passes, call, text, "", headers);
    OPENSSL_cleanse(bytes, sizeof bytes);
    OPENSSL_cleanse(text, sizeof text);
    return TL_OK;
}

void tl_passes_take(struct tl_passes *passes, const struct tl_http_call *call, int64_t now_ms, struct tl_buf *headers)
{
    end_all(passes, call, now_ms);
    put_cookie(passes, call, "", "; Max-Age=0", headers);
}
