/* json_reference.h: json_event.h's rule for dead letters once more, byte by byte and without simdjson, to hold the fast way against.
 *
 * It knows no columns at all: what it says is what must come out whichever are wanted. */
#ifndef TL_JSON_REFERENCE_H
#define TL_JSON_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "event/batch.h"

struct json_reference {
    unsigned whole;             /* a reason when the whole message is a dead letter, else 0 */
    uint32_t rows, not_objects; /* else: objects, and elements that are none */
};

struct reference_tokens {
    char *kind; /* { } [ ] : , " or s for any other */
    size_t *begin;
    size_t count;
    bool unclosed;
};

static bool reference_blank(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void reference_scan(const unsigned char *text, size_t size, struct reference_tokens *out)
{
    bool escaped = false, in_string = false, in_scalar = false;

    out->kind = malloc(size + 1);
    out->begin = malloc((size + 1) * sizeof *out->begin);
    out->count = 0;
    if (out->kind == NULL || out->begin == NULL)
        abort();
    for (size_t i = 0; i < size; i++) {
        bool quote = text[i] == '"' && !escaped;

        escaped = text[i] == '\\' && !escaped;
        if (in_string) {
            in_string = !quote;
            continue;
        }
        if (quote || (!reference_blank(text[i]) && memchr("{}[]:,", text[i], 6) == NULL)) {
            if (!in_scalar) {
                out->begin[out->count] = i;
                out->kind[out->count++] = quote ? '"' : 's';
            }
            in_string = quote;
            in_scalar = !quote;
        } else {
            in_scalar = false;
            if (!reference_blank(text[i])) {
                out->begin[out->count] = i;
                out->kind[out->count++] = (char)text[i];
            }
        }
    }
    out->unclosed = in_string;
}

/* `at` is an opening bracket's token within `depth` others; 0 and behind the closing one, or a reason. */
static unsigned reference_brackets(const struct reference_tokens *tokens, size_t *at, uint32_t depth, uint32_t depth_max)
{
    char *open = malloc((size_t)depth_max + 1);
    uint32_t inner = 0;
    unsigned bad = TL_DEAD_NOT_JSON;

    if (open == NULL)
        abort();
    for (; *at < tokens->count; (*at)++) {
        char c = tokens->kind[*at];

        if (c == '{' || c == '[') {
            if (depth + inner >= depth_max) {
                bad = TL_DEAD_TOO_DEEP;
                break;
            }
            open[inner++] = c;
        } else if (c == '}' || c == ']') {
            if (open[--inner] != (c == '}' ? '{' : '['))
                break;
            if (inner == 0) {
                bad = 0;
                (*at)++;
                break;
            }
        }
    }
    free(open);
    return bad;
}

static unsigned reference_value(const struct reference_tokens *tokens, size_t *at, uint32_t depth, uint32_t depth_max)
{
    char c = *at < tokens->count ? tokens->kind[*at] : ',';

    if (c == '{' || c == '[')
        return reference_brackets(tokens, at, depth, depth_max);
    if (c != '"' && c != 's')
        return TL_DEAD_NOT_JSON;
    (*at)++;
    return 0;
}

static unsigned reference_object(const struct reference_tokens *tokens, size_t *at, uint32_t depth, uint32_t depth_max)
{
    const char *kind = tokens->kind;
    size_t count = tokens->count;
    unsigned bad;

    if (depth >= depth_max)
        return TL_DEAD_TOO_DEEP;
    (*at)++;
    if (*at < count && kind[*at] == '}') {
        (*at)++;
        return 0;
    }
    for (;;) {
        if (*at + 1 >= count || kind[*at] != '"' || kind[*at + 1] != ':')
            return TL_DEAD_NOT_JSON;
        *at += 2;
        bad = reference_value(tokens, at, depth + 1, depth_max);
        if (bad)
            return bad;
        if (*at >= count || (kind[*at] != ',' && kind[*at] != '}'))
            return TL_DEAD_NOT_JSON;
        if (kind[(*at)++] == '}')
            return 0;
    }
}

static unsigned reference_array(const struct reference_tokens *tokens, size_t *at, uint32_t depth_max, struct json_reference *out)
{
    const char *kind = tokens->kind;
    size_t count = tokens->count;
    unsigned bad;

    if (depth_max < 1)
        return TL_DEAD_TOO_DEEP;
    (*at)++;
    if (*at < count && kind[*at] == ']') {
        (*at)++;
        return TL_DEAD_EMPTY;
    }
    for (;;) {
        if (*at < count && kind[*at] == '{') {
            bad = reference_object(tokens, at, 1, depth_max);
            out->rows++;
        } else {
            bad = reference_value(tokens, at, 1, depth_max);
            out->not_objects++;
        }
        if (bad)
            return bad;
        if (*at >= count || (kind[*at] != ',' && kind[*at] != ']'))
            return TL_DEAD_NOT_JSON;
        if (kind[(*at)++] == ']')
            return 0;
    }
}

static bool reference_number(const unsigned char *at, size_t size)
{
    size_t i = 0, from;

    i += i < size && at[i] == '-';
    from = i;
    while (i < size && at[i] >= '0' && at[i] <= '9')
        i++;
    if (i == from || (at[from] == '0' && i > from + 1))
        return false;
    if (i < size && at[i] == '.') {
        from = ++i;
        while (i < size && at[i] >= '0' && at[i] <= '9')
            i++;
        if (i == from)
            return false;
    }
    if (i < size && (at[i] == 'e' || at[i] == 'E')) {
        i++;
        i += i < size && (at[i] == '+' || at[i] == '-');
        from = i;
        while (i < size && at[i] >= '0' && at[i] <= '9')
            i++;
        if (i == from)
            return false;
    }
    return i == size;
}

static unsigned reference_scalar(const unsigned char *text, size_t size, const struct reference_tokens *tokens)
{
    size_t end = tokens->count > 1 ? tokens->begin[1] : size, length;

    if (tokens->kind[0] == '"')
        return TL_DEAD_NOT_OBJECT;
    if (tokens->kind[0] != 's')
        return TL_DEAD_NOT_JSON;
    text += tokens->begin[0];
    length = end - tokens->begin[0];
    while (reference_blank(text[length - 1]))
        length--;
    if ((length == 4 && (memcmp(text, "null", 4) == 0 || memcmp(text, "true", 4) == 0)) ||
        (length == 5 && memcmp(text, "false", 5) == 0) || reference_number(text, length))
        return TL_DEAD_NOT_OBJECT;
    return TL_DEAD_NOT_JSON;
}

static struct json_reference json_reference_judge(const void *bytes, size_t size, size_t bytes_max, uint32_t depth_max)
{
    struct json_reference result = {0, 0, 0};
    struct reference_tokens tokens;
    size_t at = 0;

    if (bytes == NULL || size == 0)
        return (struct json_reference){TL_DEAD_EMPTY, 0, 0};
    if (size > bytes_max)
        return (struct json_reference){TL_DEAD_TOO_LARGE, 0, 0};
    reference_scan(bytes, size, &tokens);
    if (tokens.unclosed) {
        result.whole = TL_DEAD_NOT_JSON;
    } else if (tokens.count == 0) {
        result.whole = TL_DEAD_EMPTY;
    } else {
        if (tokens.kind[0] == '{') {
            result.whole = reference_object(&tokens, &at, 0, depth_max);
            result.rows = 1;
        } else if (tokens.kind[0] == '[') {
            result.whole = reference_array(&tokens, &at, depth_max, &result);
        } else {
            result.whole = reference_scalar(bytes, size, &tokens);
            at = 1;
        }
        if (at != tokens.count && (result.whole == 0 || result.whole == TL_DEAD_EMPTY || result.whole == TL_DEAD_NOT_OBJECT))
            result.whole = TL_DEAD_TRAILING;
    }
    if (result.whole != 0)
        result.rows = result.not_objects = 0;
    free(tokens.kind);
    free(tokens.begin);
    return result;
}

#endif
