/* function_url.c: functions on URLs: PARSE_URL, URL_DECODE, URL_ENCODE.
 *
 * Source: Apache Flink 2, SqlFunctionUtils.parseUrl, UrlDecodeFunction, UrlEncodeFunction; java.net.URLDecoder and URLEncoder. */
#include <string.h>

#include "core/function_rows.h"
#include "core/url.h"

/* Its data is NULL for a part that is not there, or that has no such name. */
static struct tl_sv part_of(const struct tl_url *url, struct tl_sv name)
{
    const struct {
        const char *name;
        struct tl_sv part;
    } parts[] = {
        {"HOST",      url->host     },
        {"PATH",      url->path     },
        {"QUERY",     url->query    },
        {"REF",       url->ref      },
        {"PROTOCOL",  url->protocol },
        {"FILE",      url->file     },
        {"AUTHORITY", url->authority},
        {"USERINFO",  url->user_info},
    };

    for (size_t i = 0; i < TL_COUNT(parts); i++)
        if (tl_sv_eq(name, tl_sv_from(parts[i].name)))
            return parts[i].part;
    return (struct tl_sv){NULL, 0};
}

static bool parse_url(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv name = call->args[1].sv[row], found;
        struct tl_url url;

        if (!tl_url_parse(call->args[0].sv[row], &url)) {
            tl_call_null(call, row);
            continue;
        }
        found = part_of(&url, name);
        if (call->args_count == 3 &&
            (!tl_sv_eq(name, TL_SV("QUERY")) || found.data == NULL || !tl_url_query_find(found, call->args[2].sv[row], &found)))
            found.data = NULL;
        if (found.data == NULL)
            tl_call_null(call, row);
        else
            call->out->sv[row] = found;
    }
    return true;
}

/* --- %20 and + ------------------------------------------------------------------------------------------------------------- */

/* The byte that two characters behind a % stand for; -1: none. Java reads them as a number, with its sign. */
static int hex_byte(const char *at, const char *end)
{
    int high, low;

    if (end - at < 2)
        return -1;
    high = tl_hex_digit(at[0]);
    low = tl_hex_digit(at[1]);
    if (at[0] == '+' || (at[0] == '-' && low == 0))
        high = 0;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* Writes bytes, no more than there are characters. False: a % with something else behind it. */
static bool decode(struct tl_sv text, char *out, size_t *out_size)
{
    const char *end = text.data + text.size;
    char *to = out;

    for (const char *at = text.data; at < end; at++) {
        int byte = *at == '+' ? ' ' : (unsigned char)*at;

        if (*at == '%') {
            byte = hex_byte(at + 1, end);
            if (byte < 0)
                return false;
            at += 2;
        }
        *to++ = (char)byte;
    }
    *out_size = (size_t)(to - out);
    return true;
}

/* How many bytes one U+FFFD replaces; 0: the character is well. Java takes half of a surrogate pair for one character. */
static size_t bad_size(const char *at, size_t left)
{
    if (*at == '\0')
        return 1;
    if (tl_utf8_size(at, left) > 0)
        return 0;
    if (left >= 3 && (unsigned char)at[0] == 0xED && (unsigned char)at[1] >= 0xA0 && ((unsigned char)at[2] & 0xC0) == 0x80 &&
        ((unsigned char)at[1] & 0xC0) == 0x80)
        return 3;
    return tl_utf8_ill_formed_size(at, left);
}

/* Text is well-formed and has no NUL: what is decoded may be anything. `out` has room for three times as many bytes. */
static size_t repair(const char *bytes, size_t size, char *out)
{
    static const struct tl_sv replacement = {"\xef\xbf\xbd", 3};
    size_t out_size = 0;

    for (size_t i = 0, step; i < size; i += step) {
        step = bad_size(bytes + i, size - i);
        if (step > 0) {
            memcpy(out + out_size, replacement.data, replacement.size);
            out_size += replacement.size;
        } else {
            step = tl_utf8_size(bytes + i, size - i);
            memcpy(out + out_size, bytes + i, step);
            out_size += step;
        }
    }
    return out_size;
}

static bool is_plain(struct tl_sv bytes)
{
    for (size_t i = 0, step; i < bytes.size; i += step) {
        if (bad_size(bytes.data + i, bytes.size - i) > 0)
            return false;
        step = tl_utf8_size(bytes.data + i, bytes.size - i);
    }
    return true;
}

static bool url_decode(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv text = call->args[0].sv[row], decoded = text;
        char *bytes;

        if (text.size > 0 && (memchr(text.data, '%', text.size) != NULL || memchr(text.data, '+', text.size) != NULL)) {
            bytes = tl_arena_bytes(call->arena, text.size);
            if (bytes == NULL)
                return false;
            if (!decode(text, bytes, &decoded.size)) {
                tl_call_null(call, row);
                continue;
            }
            decoded.data = bytes;
            if (!is_plain(decoded)) {
                char *repaired = tl_arena_bytes(call->arena, 3 * decoded.size);

                if (repaired == NULL)
                    return false;
                decoded = (struct tl_sv){repaired, repair(bytes, decoded.size, repaired)};
            }
        }
        call->out->sv[row] = decoded;
    }
    return true;
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '*' ||
           c == '_';
}

static bool url_encode(const struct tl_call *call)
{
    static const char digits[] = "0123456789ABCDEF";

    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv text = call->args[0].sv[row];
        char *out = tl_arena_bytes(call->arena, 3 * text.size + 1), *to = out;

        if (out == NULL)
            return false;
        for (size_t k = 0; k < text.size; k++) {
            unsigned char c = (unsigned char)text.data[k];

            if (is_unreserved((char)c) || c == ' ') {
                *to++ = c == ' ' ? '+' : (char)c;
            } else {
                *to++ = '%';
                *to++ = digits[c >> 4];
                *to++ = digits[c & 15];
            }
        }
        call->out->sv[row] = (struct tl_sv){out, (size_t)(to - out)};
    }
    return true;
}

static const struct tl_function functions[] = {
    TL_ROW("PARSE_URL", "PARSE_URL(STRING, STRING[, STRING]) -> STRING", 2, 3, STRING, parse_url,
           .args = {TL_STRING, TL_STRING, TL_STRING}),
    TL_PREFIX("URL_DECODE", STRING, STRING, url_decode),
    TL_PREFIX("URL_ENCODE", STRING, STRING, url_encode),
};

const struct tl_catalog tl_functions_url = {functions, TL_COUNT(functions), &tl_functions_user_agent, NULL};
