/* file_request.c: is a URL asked for as a file of a page, or as a page? See file_request.h. */
#include "core/file_request.h"

#include <string.h>

/* What a browser fetches by itself to show a page: styles, scripts, images, fonts, sound and film. Not what a visitor asks for (pdf,
 * zip, csv, txt, xml), nor pages (html, php). Sorted for the search below. */
static const char file_extensions[][TL_FILE_EXTENSION_BYTES_MAX + 1] = {
    "aac",  "apng", "avif", "bmp",  "cjs", "css",  "cur",  "eot",         "flac", "gif",  "heic",  "ico",
    "jfif", "jpeg", "jpg",  "js",   "jxl", "m4a",  "m4s",  "m4v",         "map",  "mjs",  "mov",   "mp3",
    "mp4",  "mpeg", "mpg",  "oga",  "ogg", "ogv",  "opus", "otf",         "png",  "svg",  "svgz",  "swf",
    "tif",  "tiff", "ttf",  "wasm", "wav", "weba", "webm", "webmanifest", "webp", "woff", "woff2",
};

static bool is_known(struct tl_sv text)
{
    char lowered[TL_FILE_EXTENSION_BYTES_MAX + 1] = {0};
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

struct tl_sv tl_file_request_extension(struct tl_sv url)
{
    size_t end = 0, dot, slash;

    while (end < url.size && url.data[end] != '?' && url.data[end] != '#')
        end++;
    dot = end;
    while (dot > 0 && end - dot < TL_FILE_EXTENSION_BYTES_MAX && url.data[dot - 1] != '.' && url.data[dot - 1] != '/')
        dot--;
    if (dot == 0 || dot == end || url.data[dot - 1] != '.')
        return (struct tl_sv){NULL, 0};
    /* "http://cdn.js" and "//cdn.js" name a host and have no path. */
    slash = dot;
    while (slash > 0 && url.data[slash - 1] != '/')
        slash--;
    if (slash >= 2 && url.data[slash - 2] == '/' && (slash == 2 || is_scheme((struct tl_sv){url.data, slash - 2})))
        return (struct tl_sv){NULL, 0};
    return (struct tl_sv){url.data + dot, end - dot};
}

bool tl_file_request_is(struct tl_sv url)
{
    return is_known(tl_file_request_extension(url));
}
