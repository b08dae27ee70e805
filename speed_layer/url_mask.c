/* url_mask.c: takes the secrets out of a URL. See url_mask.h. */
#include "speed_layer/url_mask.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"

enum { NAME_BYTES_MAX = 64 };

/* Letters and digits alone: api_key, api-key and apiKey are one. */
static const char *const secret_names[] = {
    "apikey",        "appkey",
    "assertion",     "auth",
    "authorization", "cardnumber",
    "ccnumber",      "code",
    "creditcard",    "cvc",
    "cvv",           "jsessionid",
    "jwt",           "key",
    "oauthverifier", "otp",
    "pass",          "passphrase",
    "passwd",        "phpsessid",
    "pin",           "privatekey",
    "pwd",           "samlresponse",
    "secret",        "session",
    "sessionid",     "sessid",
    "sid",           "sig",
    "ssn",           "ticket",
    "totp",          "xamzcredential",
};
/* And what ends with one of these: access_token, newPassword, X-Amz-Signature. */
static const struct tl_sv secret_ends[] = {
    {"token",     5},
    {"password",  8},
    {"secret",    6},
    {"apikey",    6},
    {"signature", 9},
    {"sessionid", 9},
};

struct tl_url_mask {
    struct tl_table names;
    size_t shortest; /* most names that are none are short: the q and v of many headers */
};

/* --- names ---------------------------------------------------------------------------------------------------------------- */

/* A name without what does not count. What is longer keeps its end. */
struct name {
    char whole[NAME_BYTES_MAX], last[NAME_BYTES_MAX]; /* all of it; what stands behind the last [ or . */
    size_t whole_size, last_size;
    bool begins; /* the next character is another word's first */
};

static void add(char *text, size_t *size, char c)
{
    if (*size == NAME_BYTES_MAX) {
        *size /= 2;
        memmove(text, text + *size, *size);
    }
    text[(*size)++] = c;
}

static void name_add(struct name *name, unsigned char c)
{
    if (c == '[' || c == '.')
        name->begins = true;
    if (c >= 'A' && c <= 'Z')
        c = (unsigned char)(c + 32);
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c >= 0x80))
        return;
    if (name->begins)
        name->last_size = 0;
    name->begins = false;
    add(name->whole, &name->whole_size, (char)c);
    add(name->last, &name->last_size, (char)c);
}

static bool has(const struct tl_url_mask *mask, struct tl_sv text)
{
    if (text.size < mask->shortest)
        return false;
    if (tl_table_find(&mask->names, tl_hash_bytes(text), text) != NULL)
        return true;
    for (size_t i = 0; i < TL_COUNT(secret_ends); i++)
        if (tl_sv_ends(text, secret_ends[i]))
            return true;
    return false;
}

static bool is_secret(const struct tl_url_mask *mask, const struct name *name)
{
    const struct tl_sv whole = {name->whole, name->whole_size}, last = {name->last, name->last_size};

    return has(mask, whole) || (last.size < whole.size && has(mask, last));
}

static bool put_name(struct tl_url_mask *mask, const char *text)
{
    struct name name = {.whole_size = 0};
    struct tl_sv key;

    for (; *text != '\0'; text++)
        name_add(&name, (unsigned char)*text);
    key = (struct tl_sv){name.whole, name.whole_size};
    if (key.size > 0 && key.size < mask->shortest)
        mask->shortest = key.size;
    return key.size == 0 || tl_table_put(&mask->names, tl_hash_bytes(key), key, NULL) != NULL;
}

enum tl_code tl_url_mask_open(const struct tl_option_list *names, struct tl_url_mask **out, struct tl_err *err)
{
    struct tl_url_mask *mask = calloc(1, sizeof *mask);
    bool ok = true;

    if (mask == NULL)
        return tl_fail_memory(err, sizeof *mask);
    tl_table_init(&mask->names, 1, 0);
    mask->shortest = SIZE_MAX;
    for (size_t i = 0; ok && i < TL_COUNT(secret_names); i++)
        ok = put_name(mask, secret_names[i]);
    for (size_t i = 0; ok && names != NULL && i < names->count; i++)
        ok = put_name(mask, names->items[i]);
    if (!ok) {
        tl_url_mask_close(mask);
        return tl_fail_memory(err, 0);
    }
    *out = mask;
    return TL_OK;
}

void tl_url_mask_close(struct tl_url_mask *mask)
{
    if (mask == NULL)
        return;
    tl_table_done(&mask->names);
    free(mask);
}

/* --- a URL ---------------------------------------------------------------------------------------------------------------- */

/* A character, from under so many percent-encodings: %3F is ? at level 1, %253F at level 2. */
struct piece {
    unsigned char c;
    unsigned level;
    size_t size;
};

static bool is_hex_pair(struct tl_sv text, size_t at)
{
    return at + 2 <= text.size && tl_hex_digit(text.data[at]) >= 0 && tl_hex_digit(text.data[at + 1]) >= 0;
}

static struct piece piece_at(struct tl_sv text, size_t at)
{
    struct piece piece = {(unsigned char)text.data[at], 0, 1};

    if (piece.c != '%' || !is_hex_pair(text, at + 1))
        return piece;
    piece.level = 1;
    for (at++; text.data[at] == '2' && text.data[at + 1] == '5' && is_hex_pair(text, at + 2); at += 2)
        piece.level++;
    piece.c = (unsigned char)(tl_hex_digit(text.data[at]) * 16 + tl_hex_digit(text.data[at + 1]));
    piece.size = 2 * (size_t)piece.level + 1;
    return piece;
}

static bool is_separator(unsigned char c)
{
    return c == '?' || c == '&' || c == ';' || c == '#';
}

/* May a separator begin there? */
static bool is_special(char c)
{
    static const bool special[256] = {['?'] = true, ['&'] = true, [';'] = true, ['#'] = true, ['%'] = true};

    return special[(unsigned char)c];
}

/* A name from there on whose values are secret: *value_at is behind its =. */
static bool read_secret_name(const struct tl_url_mask *mask, struct tl_sv url, size_t at, size_t *value_at)
{
    struct name name; /* its texts are not cleared */

    name.whole_size = name.last_size = 0;
    name.begins = false;
    while (at < url.size) {
        struct piece piece = piece_at(url, at);

        at += piece.size;
        if (piece.c == '=') {
            *value_at = at;
            return is_secret(mask, &name);
        }
        if (is_separator(piece.c) || piece.c == '/')
            return false;
        name_add(&name, piece.c);
    }
    return false;
}

/* In a query a ; / or ? may be part of the value; what is encoded more often than what began the parameter is. */
static size_t value_end(struct tl_sv url, size_t at, unsigned level, bool in_query)
{
    while (at < url.size) {
        struct piece piece = piece_at(url, at);

        if (piece.level <= level && (in_query ? piece.c == '&' || piece.c == '#' : is_separator(piece.c) || piece.c == '/'))
            break;
        at += piece.size;
    }
    return at;
}

static void redact(struct tl_sv url, size_t *copied, size_t from, size_t to, struct tl_buf *out)
{
    tl_buf_put(out, url.data + *copied, from - *copied);
    tl_buf_put_sv(out, TL_SV("[redacted]"));
    *copied = to;
}

/* user:password@ */
static size_t mask_user_info(struct tl_sv url, struct tl_buf *out)
{
    const char *colon = memchr(url.data, '@', url.size) == NULL ? NULL : memmem(url.data, url.size, "://", 3);
    size_t from, to, copied = 0;

    if (colon == NULL)
        return 0;
    from = (size_t)(colon - url.data) + 3;
    for (to = from; to < url.size && url.data[to] != '/' && url.data[to] != '?' && url.data[to] != '#';)
        to++;
    while (to > from && url.data[to - 1] != '@')
        to--;
    if (to > from)
        redact(url, &copied, from, to - 1, out);
    return copied;
}

bool tl_url_mask_apply(const struct tl_url_mask *mask, struct tl_sv url, struct tl_buf *scratch, struct tl_sv *out)
{
    size_t copied = 0, value_at;
    bool in_query = false;

    *out = url;
    if (url.size == 0 || (memchr(url.data, '=', url.size) == NULL && memchr(url.data, '@', url.size) == NULL &&
                          memchr(url.data, '%', url.size) == NULL))
        return true;
    tl_buf_clear(scratch);
    copied = mask_user_info(url, scratch);
    for (size_t at = copied; at < url.size;) {
        struct piece piece;

        if (!is_special(url.data[at])) {
            at++;
            continue;
        }
        piece = piece_at(url, at);
        at += piece.size;
        if (!is_separator(piece.c))
            continue;
        in_query |= piece.c == '?' || piece.c == '#';
        if (read_secret_name(mask, url, at, &value_at)) {
            at = value_end(url, value_at, piece.level, in_query);
            redact(url, &copied, value_at, at, scratch);
        }
    }
    if (copied == 0)
        return true;
    tl_buf_put(scratch, url.data + copied, url.size - copied);
    *out = tl_buf_sv(scratch);
    return !scratch->failed;
}
