/* rate_functions.c: two of tally's own functions as a library has them, statement by statement: for tests/bench/user_function_rate.c. */
#include <string.h>
#include <tally_function.h>

/* --- ABS ---------------------------------------------------------------------------------------------------------------- */

static bool user_abs(struct tally_call *call, const struct tally_value *args, struct tally_value *result)
{
    (void)call;
    result->i64 = args[0].i64 < 0 ? (int64_t)(0 - (uint64_t)args[0].i64) : args[0].i64;
    return true;
}

/* --- IS_FILE_REQUEST (common/core) --------------------------------------------------------------------------------------- */

static const char file_extensions[][12] = {
    "aac",  "apng", "avif", "bmp",  "cjs", "css",  "cur",  "eot",         "flac", "gif",  "heic",  "ico",
    "jfif", "jpeg", "jpg",  "js",   "jxl", "m4a",  "m4s",  "m4v",         "map",  "mjs",  "mov",   "mp3",
    "mp4",  "mpeg", "mpg",  "oga",  "ogg", "ogv",  "opus", "otf",         "png",  "svg",  "svgz",  "swf",
    "tif",  "tiff", "ttf",  "wasm", "wav", "weba", "webm", "webmanifest", "webp", "woff", "woff2",
};

static bool is_file_extension(const char *data, size_t size)
{
    char lowered[12] = {0};
    size_t low = 0, high = sizeof file_extensions / sizeof *file_extensions;

    if (size == 0 || size >= sizeof lowered)
        return false;
    for (size_t i = 0; i < size; i++)
        lowered[i] = (char)(data[i] >= 'A' && data[i] <= 'Z' ? data[i] + 32 : data[i]);
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

static bool is_scheme(const char *data, size_t size)
{
    if (size < 2 || data[size - 1] != ':')
        return false;
    for (size_t i = 0; i + 1 < size; i++) {
        char c = data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
            return false;
    }
    return true;
}

static bool is_file_request(const char *data, size_t size)
{
    size_t end = 0, dot, slash;

    while (end < size && data[end] != '?' && data[end] != '#')
        end++;
    dot = end;
    while (dot > 0 && end - dot < sizeof file_extensions[0] && data[dot - 1] != '.' && data[dot - 1] != '/')
        dot--;
    if (dot == 0 || data[dot - 1] != '.' || !is_file_extension(data + dot, end - dot))
        return false;
    slash = dot;
    while (slash > 0 && data[slash - 1] != '/')
        slash--;
    return !(slash >= 2 && data[slash - 2] == '/' && (slash == 2 || is_scheme(data, slash - 2)));
}

static bool user_is_file_request(struct tally_call *call, const struct tally_value *args, struct tally_value *result)
{
    (void)call;
    result->i64 = is_file_request(args[0].text.data, args[0].text.size);
    return true;
}

static const struct tally_scalar scalars[] = {
    {"USER_ABS",             {TALLY_BIGINT}, TALLY_BIGINT,  0, user_abs            },
    {"USER_IS_FILE_REQUEST", {TALLY_STRING}, TALLY_BOOLEAN, 0, user_is_file_request},
};

const struct tally_library tally_library = {TALLY_LIBRARY_HEAD, "1.0", NULL, scalars, 2, NULL, 0};
