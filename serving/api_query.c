/* api_query.c: the query string becomes parameters; what is wrong with one is refused, with what would do. */
#include <stdio.h>
#include <string.h>

#include "api_call.h"

/* ---- decoding ---- */

static bool is_text(struct tl_sv text)
{
    for (size_t i = 0, size; i < text.size; i += size) {
        size = tl_utf8_size(text.data + i, text.size - i);
        if (size == 0 || text.data[i] == '\0')
            return false;
    }
    return true;
}

bool tl_api_decode(struct tl_arena *arena, struct tl_sv text, bool plus_is_blank, struct tl_sv *out)
{
    char *to = tl_arena_bytes(arena, text.size + 1);
    size_t size = 0;

    if (to == NULL)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];

        if (c == '%') {
            int high = i + 2 < text.size ? tl_hex_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? tl_hex_digit(text.data[i + 2]) : -1;

            if (low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        to[size++] = c;
    }
    to[size] = '\0';
    *out = (struct tl_sv){to, size};
    return is_text(*out);
}

void tl_api_put_uri(struct tl_buf *out, struct tl_sv text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%";

    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != '\0' && strchr(plain, text.data[i]) != NULL)
            tl_buf_put_u8(out, (uint8_t)text.data[i]);
        else
            tl_buf_printf(out, "%%%02X", (unsigned)(unsigned char)text.data[i]);
    }
}

/* ---- the parameters ---- */

static enum tl_code refuse_unknown(struct tl_api_call *call, struct tl_sv name, const struct tl_api_taken *taken, size_t count)
{
    tl_problem_set(call->problem, 400, NULL, "there is no parameter '%.*s' here", (int)tl_min_i64((int64_t)name.size, 100),
                   name.data);
    tl_buf_put_sv(&call->problem->parameter, name);
    for (size_t t = 0; t < count; t++)
        tl_problem_allow(call->problem, tl_sv_from(taken[t].name));
    return TL_API_REFUSED;
}

static enum tl_code add(struct tl_api_call *call, struct tl_sv name, struct tl_sv value, const struct tl_api_taken *taken,
                        size_t count)
{
    size_t t = 0;

    while (t < count && !tl_sv_eq(name, tl_sv_from(taken[t].name)))
        t++;
    if (t == count)
        return refuse_unknown(call, name, taken, count);
    if (!taken[t].repeated && tl_api_get(call, taken[t].name) != NULL)
        return tl_api_refuse(call, 400, taken[t].name, "%s may be given once", taken[t].name);
    if (value.size == 0)
        return tl_api_refuse(call, 400, taken[t].name, "%s has no value; leave it out where there is none", taken[t].name);
    if (call->parameters_count == TL_API_PARAMETERS_MAX)
        return tl_api_refuse(call, 400, taken[t].name, "more than %d parameters", TL_API_PARAMETERS_MAX);
    call->parameters[call->parameters_count++] = (struct tl_api_parameter){taken[t].name, value};
    return TL_OK;
}

enum tl_code tl_api_read_query(struct tl_api_call *call, struct tl_sv query, const struct tl_api_taken *taken, size_t taken_count)
{
    enum tl_code rc = TL_OK;

    while (query.size > 0) {
        struct tl_sv value = tl_sv_cut(&query, '&'), name = tl_sv_cut(&value, '=');

        if (name.size == 0 && value.size == 0)
            continue;
        if (!tl_api_decode(call->arena, name, true, &name))
            return tl_api_refuse(call, 400, NULL,
                                 "the query string is not percent-encoded UTF-8: %%, and what is no letter or digit, is written "
                                 "%%25, %%xx");
        if (!tl_api_decode(call->arena, value, true, &value)) {
            tl_problem_set(call->problem, 400, NULL,
                           "its value is not percent-encoded UTF-8: a %% itself is written %%25, and there is no %%00");
            tl_buf_put_sv(&call->problem->parameter, name);
            return TL_API_REFUSED;
        }
        TL_TRY(add(call, name, value, taken, taken_count));
    }
out:
    return rc;
}

const struct tl_sv *tl_api_get(const struct tl_api_call *call, const char *name)
{
    for (size_t p = 0; p < call->parameters_count; p++)
        if (strcmp(call->parameters[p].name, name) == 0)
            return &call->parameters[p].value;
    return NULL;
}

/* ---- values ---- */

enum tl_code tl_api_get_count(struct tl_api_call *call, const char *name, int64_t least, int64_t most, int64_t *out)
{
    const struct tl_sv *value = tl_api_get(call, name);
    int64_t count = 0;

    if (value == NULL)
        return TL_OK;
    if (!tl_sv_to_i64(*value, &count) || count < least || count > most)
        return tl_api_refuse(call, 400, name, "'%.*s' is not a whole number from %lld to %lld",
                             (int)tl_min_i64((int64_t)value->size, 100), value->data, (long long)least, (long long)most);
    *out = count;
    return TL_OK;
}

/* The + of an offset that was sent as it is has become a blank: 2026-03-01T02:00:00 01:00. */
static struct tl_sv with_plus(struct tl_arena *arena, struct tl_sv text)
{
    char *copy = text.size > 16 && text.data[text.size - 6] == ' ' && text.data[text.size - 3] == ':'
                     ? tl_arena_bytes(arena, text.size)
                     : NULL;

    if (copy == NULL)
        return text;
    memcpy(copy, text.data, text.size);
    copy[text.size - 6] = '+';
    return (struct tl_sv){copy, text.size};
}

enum tl_code tl_api_get_time(struct tl_api_call *call, const char *name, int64_t *out)
{
    const struct tl_sv *value = tl_api_get(call, name);
    struct tl_err why;

    if (value == NULL)
        return TL_OK;
    if (tl_option_time(with_plus(call->arena, *value), out, &why) != TL_OK)
        return tl_api_refuse(call, 400, name, "%s", why.message);
    call->relative = call->relative || (value->data[0] > '9');
    return TL_OK;
}

enum tl_code tl_api_get_choice(struct tl_api_call *call, const char *name, const char *const *words, size_t *out)
{
    const struct tl_sv *value = tl_api_get(call, name);

    if (value == NULL)
        return TL_OK;
    for (size_t w = 0; words[w] != NULL; w++)
        if (tl_sv_eq(*value, tl_sv_from(words[w]))) {
            *out = w;
            return TL_OK;
        }
    tl_problem_set(call->problem, 400, name, "'%.*s' is none of those that there are", (int)tl_min_i64((int64_t)value->size, 100),
                   value->data);
    for (size_t w = 0; words[w] != NULL; w++)
        tl_problem_allow(call->problem, tl_sv_from(words[w]));
    return TL_API_REFUSED;
}
