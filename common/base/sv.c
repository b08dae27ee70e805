/* sv.c: string views: compare, trim, cut, and read numbers in every locale alike. */
#include "base/sv.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct tl_sv tl_sv_from(const char *text)
{
    return (struct tl_sv){text, strlen(text)};
}

bool tl_sv_eq(struct tl_sv a, struct tl_sv b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool tl_sv_eq_nocase(struct tl_sv a, struct tl_sv b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
            return false;
    return true;
}

int tl_sv_cmp(struct tl_sv a, struct tl_sv b)
{
    size_t shared = a.size < b.size ? a.size : b.size;
    int order = shared == 0 ? 0 : memcmp(a.data, b.data, shared);

    if (order != 0)
        return order < 0 ? -1 : 1;
    return (a.size > b.size) - (a.size < b.size);
}

bool tl_sv_starts(struct tl_sv text, struct tl_sv prefix)
{
    return text.size >= prefix.size && (prefix.size == 0 || memcmp(text.data, prefix.data, prefix.size) == 0);
}

bool tl_sv_ends(struct tl_sv text, struct tl_sv suffix)
{
    return text.size >= suffix.size &&
           (suffix.size == 0 || memcmp(text.data + (text.size - suffix.size), suffix.data, suffix.size) == 0);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct tl_sv tl_sv_trim(struct tl_sv text)
{
    while (text.size > 0 && is_space(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_space(text.data[text.size - 1]))
        text.size--;
    return text;
}

struct tl_sv tl_sv_cut(struct tl_sv *rest, char by)
{
    const char *found = rest->size == 0 ? NULL : memchr(rest->data, by, rest->size);
    struct tl_sv head = *rest;

    if (found == NULL) {
        if (rest->size > 0)
            rest->data += rest->size;
        rest->size = 0;
        return head;
    }
    head.size = (size_t)(found - head.data);
    rest->data = found + 1;
    rest->size -= head.size + 1;
    return head;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool tl_sv_to_i64(struct tl_sv text, int64_t *out)
{
    int64_t value = 0;
    bool minus = false;
    size_t i = 0;

    if (text.size > 0 && (text.data[0] == '-' || text.data[0] == '+')) {
        minus = text.data[0] == '-';
        i = 1;
    }
    if (i == text.size)
        return false;
    for (; i < text.size; i++) {
        int digit = text.data[i] - '0';

        if (!is_digit(text.data[i]))
            return false;
        /* Downwards for a minus, so that the smallest value needs no case of its own. */
        if (tl_mul_overflows(value, 10, &value) || tl_add_overflows(value, minus ? -digit : digit, &value))
            return false;
    }
    *out = value;
    return true;
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void c_locale_make(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* strtod wants a terminating zero and a locale whose point is a point. */
static bool to_f64_slow(struct tl_sv text, double *out)
{
    char near[256];
    char *copy = text.size < sizeof near ? near : malloc(text.size + 1);
    char *end;
    double value;

    pthread_once(&c_locale_once, c_locale_make);
    if (copy == NULL || c_locale == (locale_t)0) {
        if (copy != near)
            free(copy);
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    value = strtod_l(copy, &end, c_locale);
    assert(end == copy + text.size);
    if (copy != near)
        free(copy);
    if (isinf(value))
        return false;
    *out = value;
    return true;
}

/* Where the digits fit 53 bits and the power of ten is one of these, one multiplication or division of exact doubles is
 * correctly rounded (Clinger, "How to read floating point numbers accurately", 1990). Other numbers go to strtod. */
static const double exact_tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

bool tl_sv_to_f64(struct tl_sv text, double *out)
{
    const char *at = text.data, *end = text.size == 0 ? text.data : text.data + text.size;
    uint64_t digits = 0;
    int64_t exponent = 0;
    size_t digits_count = 0, digits_used = 0;
    bool minus = false;

    if (at < end && (*at == '-' || *at == '+'))
        minus = *at++ == '-';
    for (; at < end && is_digit(*at); at++, digits_count++)
        if (digits != 0 || *at != '0') {
            digits_used++;
            digits = digits * 10 + (uint64_t)(*at - '0'); /* may wrap: then digits_used says so */
        }
    if (at < end && *at == '.')
        for (at++; at < end && is_digit(*at); at++, digits_count++) {
            exponent--;
            if (digits != 0 || digits_used != 0 || *at != '0') {
                digits_used++;
                digits = digits * 10 + (uint64_t)(*at - '0');
            }
        }
    if (digits_count == 0)
        return false;
    if (at < end && (*at == 'e' || *at == 'E')) {
        int64_t written = 0;
        bool written_minus = false;

        at++;
        if (at < end && (*at == '-' || *at == '+'))
            written_minus = *at++ == '-';
        if (at == end)
            return false;
        for (; at < end && is_digit(*at); at++)
            if (written < 1000000)
                written = written * 10 + (*at - '0');
        exponent += written_minus ? -written : written;
    }
    if (at != end)
        return false;
    if (FLT_EVAL_METHOD == 0 && digits_used <= 19 && digits <= (UINT64_C(1) << 53) && exponent >= -22 && exponent <= 22) {
        double value = (double)digits;

        value = exponent < 0 ? value / exact_tens[-exponent] : value * exact_tens[exponent];
        *out = minus ? -value : value;
        return true;
    }
    return to_f64_slow(text, out);
}

int tl_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

size_t tl_utf8_size(const char *text, size_t left)
{
    const unsigned char *at = (const unsigned char *)text;
    unsigned char low = 0x80, high = 0xbf;
    size_t size;

    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        size = 2;
    else if (at[0] >= 0xe0 && at[0] <= 0xef)
        size = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        size = 4;
    else
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0; /* overlong */
    else if (at[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (at[0] == 0xf0)
        low = 0x90; /* overlong */
    else if (at[0] == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    if (left < size || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

size_t tl_utf8_ill_formed_size(const char *text, size_t left)
{
    const unsigned char *at = (const unsigned char *)text;
    unsigned char low = 0x80, high = 0xbf;
    size_t whole, size = 1;

    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        whole = 2;
    else if (at[0] >= 0xe0 && at[0] <= 0xef)
        whole = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        whole = 4;
    else
        return 1;
    if (at[0] == 0xe0)
        low = 0xa0;
    else if (at[0] == 0xed)
        high = 0x9f;
    else if (at[0] == 0xf0)
        low = 0x90;
    else if (at[0] == 0xf4)
        high = 0x8f;
    for (; size < whole && size < left && at[size] >= low && at[size] <= high; size++) {
        low = 0x80;
        high = 0xbf;
    }
    return size;
}
