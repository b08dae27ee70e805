/* json_elements.c: the elements of a JSON array as texts of their own. See json_elements.h. */
#include "speed_layer/json_elements.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_space(struct tl_sv text, size_t at)
{
    while (at < text.size && is_space(text.data[at]))
        at++;
    return at;
}

static size_t skip_string(struct tl_sv text, size_t at)
{
    for (at++; at < text.size && text.data[at] != '"'; at++)
        at += text.data[at] == '\\' && at + 1 < text.size;
    return at < text.size ? at + 1 : at;
}

/* The end of the element: a comma or bracket that is not its own. */
static size_t skip_element(struct tl_sv text, size_t at, unsigned *depth_max)
{
    unsigned depth = 0;

    *depth_max = 0;
    while (at < text.size) {
        const char c = text.data[at];

        if (c == '"') {
            at = skip_string(text, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == ']' || c == '}'))
            break;
        if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth--;
        if (depth > *depth_max)
            *depth_max = depth;
        at++;
    }
    return at;
}

static void take(struct tl_sv text, unsigned depth, struct tl_json_element *out, size_t max, size_t *count)
{
    if (*count < max)
        out[*count] = (struct tl_json_element){tl_sv_trim(text), depth};
    if (*count <= max)
        (*count)++;
}

const char *tl_json_elements(struct tl_sv body, struct tl_json_element *out, size_t max, size_t *count, size_t *at)
{
    unsigned depth;

    *count = 0;
    *at = skip_space(body, 0);
    if (*at == body.size)
        return "there is nothing";
    if (body.data[*at] != '[') {
        (void)skip_element(body, *at, &depth);
        take(body, depth, out, max, count);
        return NULL;
    }
    *at = skip_space(body, *at + 1);
    if (*at < body.size && body.data[*at] == ']')
        return "there is nothing in the array";
    for (;;) {
        size_t from = *at;

        *at = skip_element(body, from, &depth);
        if (*at == body.size)
            return "the array does not end";
        take((struct tl_sv){body.data + from, *at - from}, depth, out, max, count);
        if (body.data[*at] == '}')
            return "a } that was not opened";
        if (body.data[*at] == ']')
            break;
        *at = skip_space(body, *at + 1);
    }
    *at = skip_space(body, *at + 1);
    return *at == body.size ? NULL : "something stands behind the array";
}

void tl_json_lines(struct tl_sv body, struct tl_json_element *out, size_t max, size_t *count)
{
    *count = 0;
    while (body.size > 0) {
        struct tl_sv line = tl_sv_trim(tl_sv_cut(&body, '\n'));
        unsigned depth;

        if (line.size == 0)
            continue;
        (void)skip_element(line, 0, &depth);
        take(line, depth, out, max, count);
    }
}
