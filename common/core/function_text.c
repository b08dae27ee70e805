/* function_text.c: functions on text: LIKE, LOWER, UPPER, IS_FILE_REQUEST. */
#include <string.h>

#include "core/case_map.h"
#include "core/function_rows.h"
#include "core/like.h"

/* A pattern that comes with the events is compiled for each row; a hostile one must not cost more than a long text times this. */
enum { VARIABLE_PATTERN_MAX = 1024 };

static bool lower(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (!tl_case_lower(call->args[0].sv[row], call->arena, &call->out->sv[row]))
            return false;
    }
    return true;
}

static bool upper(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        if (!tl_case_upper(call->args[0].sv[row], call->arena, &call->out->sv[row]))
            return false;
    }
    return true;
}

/* Without a state the pattern or the escape is a column. */
static bool like_variable(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv pattern = call->args[1].sv[row];
        struct tl_sv escape = call->args_count == 3 ? call->args[2].sv[row] : (struct tl_sv){NULL, 0};
        const struct tl_like *like;
        enum tl_code rc;

        if (call->args_count == 3 && escape.data == NULL)
            escape.data = ""; /* the empty text is no escape character */
        rc = pattern.size > VARIABLE_PATTERN_MAX ? TL_ERR_LIMIT : tl_like_compile(pattern, escape, call->arena, &like, NULL);
        if (rc == TL_ERR_MEMORY)
            return false;
        if (rc != TL_OK) {
            tl_call_fail(call, row);
            continue;
        }
        call->out->i64[row] = tl_like_match(like, call->args[0].sv[row]);
    }
    return true;
}

static bool like(const struct tl_call *call)
{
    if (call->state == NULL)
        return like_variable(call);
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        call->out->i64[row] = tl_like_match(call->state, call->args[0].sv[row]);
    }
    return true;
}

static bool is_constant(const struct tl_value *value)
{
    return value->kind == TL_STRING && !value->is_null;
}

static enum tl_code like_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    const struct tl_value *constants = with->constants;
    const uint32_t args_count = with->args_count;
    struct tl_arena *arena = with->arena;
    struct tl_sv escape = {NULL, 0};
    const struct tl_like *compiled;
    enum tl_code rc;

    *state = NULL;
    if (args_count == 3 && is_constant(&constants[2])) {
        escape = constants[2].sv;
        if (escape.data == NULL)
            escape.data = "";
        /* Compiled against nothing, so that a bad escape is a mistake of the views file though the pattern is a column. */
        TL_TRY(tl_like_compile(TL_SV(""), escape, arena, &compiled, err));
    }
    rc = TL_OK;
    if (!is_constant(&constants[1]) || (args_count == 3 && !is_constant(&constants[2])))
        goto out;
    TL_TRY(tl_like_compile(constants[1].sv, escape, arena, &compiled, err));
    *state = compiled;
out:
    return rc;
}

/* What a browser fetches by itself to show a page: styles, scripts, images, fonts, sound and film. Not what a visitor asks for (pdf,
 * zip, csv, txt, xml), nor pages (html, php). Sorted for the search below. */
static const char file_extensions[][12] = {
    "aac",  "apng", "avif", "bmp",  "cjs", "css",  "cur",  "eot",         "flac", "gif",  "heic",  "ico",
    "jfif", "jpeg", "jpg",  "js",   "jxl", "m4a",  "m4s",  "m4v",         "map",  "mjs",  "mov",   "mp3",
    "mp4",  "mpeg", "mpg",  "oga",  "ogg", "ogv",  "opus", "otf",         "png",  "svg",  "svgz",  "swf",
    "tif",  "tiff", "ttf",  "wasm", "wav", "weba", "webm", "webmanifest", "webp", "woff", "woff2",
};

static bool is_file_extension(struct tl_sv text)
{
    char lowered[12] = {0};
    size_t low = 0, high = TL_COUNT(file_extensions);

    if (text.size == 0 || text.size >= sizeof lowered)
        return false;
    for (size_t i = 0; i < text.size; i++)
        lowered[i] = (char)(text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] + 32 : text.data[i]);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = memcmp(lowered, file_extensions[middle], sizeof lowered);

        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

/* scheme ":" of an absolute URL (RFC 3986, 3.1). */
static bool is_scheme(struct tl_sv text)
{
    if (text.size < 2 || text.data[text.size - 1] != ':')
        return false;
    for (size_t i = 0; i + 1 < text.size; i++) {
        char c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
            return false;
    }
    return true;
}

static bool is_file_request(struct tl_sv url)
{
    size_t end = 0, dot, slash;

    while (end < url.size && url.data[end] != '?' && url.data[end] != '#')
        end++;
    dot = end;
    while (dot > 0 && end - dot < sizeof file_extensions[0] && url.data[dot - 1] != '.' && url.data[dot - 1] != '/')
        dot--;
    if (dot == 0 || url.data[dot - 1] != '.' || !is_file_extension((struct tl_sv){url.data + dot, end - dot}))
        return false;
    /* "http://cdn.js" and "//cdn.js" name a host and have no path. */
    slash = dot;
    while (slash > 0 && url.data[slash - 1] != '/')
        slash--;
    if (slash >= 2 && url.data[slash - 2] == '/' && (slash == 2 || is_scheme((struct tl_sv){url.data, slash - 2})))
        return false;
    return true;
}

static bool file_request(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        call->out->i64[row] = is_file_request(call->args[0].sv[row]);
    }
    return true;
}

static const struct tl_function functions[] = {
    TL_ROW("LIKE", "STRING LIKE STRING [ESCAPE STRING] -> BOOLEAN", 2, 3, BOOLEAN, like,
           .args = {TL_STRING, TL_STRING, TL_STRING}, .can_fail = true, .prepare = like_prepare),
    TL_PREFIX("LOWER", STRING, STRING, lower),
    TL_PREFIX("UPPER", STRING, STRING, upper),
    TL_ROW("IS_FILE_REQUEST", "IS_FILE_REQUEST(STRING) -> BOOLEAN", 1, 1, BOOLEAN, file_request, .args = {TL_STRING},
           .ours = true),
};

const struct tl_catalog tl_functions_text = {functions, TL_COUNT(functions), &tl_functions_time, NULL};
