/* json_text.c: the words of JSON: strings with escapes, numbers. See json_text.h. */
#include "event/json_text.h"

#include <string.h>

int32_t tl_json_hex_four(const char *at, const char *end)
{
    int32_t value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int one = tl_hex_digit(at[i]);

        if (one < 0)
            return -1;
        value = value * 16 + one;
    }
    return value;
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 63));
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    }
    return out;
}

#define REPLACEMENT UINT32_C(0xfffd)

bool tl_json_unescape(struct tl_sv in, char *out, size_t *out_size)
{
    const char *at = in.data, *end = in.data + in.size;
    char *begin = out;

    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((slash ? slash : end) - at);
        int32_t code;

        memcpy(out, at, plain);
        out += plain;
        if (slash == NULL)
            break;
        at = slash + 1;
        if (at == end)
            return false;
        switch (*at++) {
        case '"': *out++ = '"'; break;
        case '\\': *out++ = '\\'; break;
        case '/': *out++ = '/'; break;
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'u':
            code = tl_json_hex_four(at, end);
            if (code < 0)
                return false;
            at += 4;
            if (code >= 0xd800 && code < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
                int32_t low = tl_json_hex_four(at + 2, end);

                if (low >= 0xdc00 && low < 0xe000) {
                    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                    at += 6;
                }
            }
            out = put_utf8(out, code == 0 || (code >= 0xd800 && code < 0xe000) ? REPLACEMENT : (uint32_t)code);
            break;
        default: return false;
        }
    }
    *out_size = (size_t)(out - begin);
    return true;
}

bool tl_json_number_scan(const char *at, const char *end, struct tl_json_number *out)
{
    out->is_integer = true;
    if (at < end && *at == '-')
        at++;
    if (at == end || *at < '0' || *at > '9')
        return false;
    if (*at++ != '0')
        while (at < end && *at >= '0' && *at <= '9')
            at++;
    if (at < end && *at == '.') {
        const char *from = ++at;

        out->is_integer = false;
        while (at < end && *at >= '0' && *at <= '9')
            at++;
        if (at == from)
            return false;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        const char *from;

        out->is_integer = false;
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        from = at;
        while (at < end && *at >= '0' && *at <= '9')
            at++;
        if (at == from)
            return false;
    }
    out->end = at;
    return true;
}

bool tl_json_number_scale(struct tl_sv number, int64_t *out)
{
    const char *end = number.data + number.size, *point = memchr(number.data, '.', number.size), *at = number.data;
    int64_t scale = 0, exponent = 0;
    bool minus = false;

    while (at < end && *at != 'e' && *at != 'E')
        at++;
    if (point != NULL)
        scale = at - point - 1;
    for (at += at < end; at < end; at++) {
        minus |= *at == '-';
        if (*at >= '0' && *at <= '9' && exponent <= INT32_MAX)
            exponent = exponent * 10 + (*at - '0');
    }
    scale -= minus ? -exponent : exponent;
    *out = scale;
    return exponent <= INT32_MAX && scale >= INT32_MIN && scale <= INT32_MAX;
}
