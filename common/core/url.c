/* url.c: the parts of a URL, as java.net.URL takes it apart. See url.h.
 *
 * Source: the JDK's java.net.URL and URLStreamHandler.parseURL as they behave (17), which follow RFC 2396 and 2732 loosely. */
#include "core/url.h"

#include <arpa/inet.h>
#include <string.h>

static struct tl_sv part(const char *from, const char *to)
{
    return (struct tl_sv){from, (size_t)(to - from)};
}

/* The first `c` in the text, or NULL. */
static const char *find(struct tl_sv text, char c)
{
    return text.size > 0 ? memchr(text.data, c, text.size) : NULL;
}

/* As String.trim: all up to the space. */
static struct tl_sv trim(struct tl_sv text)
{
    while (text.size > 0 && (unsigned char)text.data[text.size - 1] <= ' ')
        text.size--;
    while (text.size > 0 && (unsigned char)text.data[0] <= ' ') {
        text.data++;
        text.size--;
    }
    return text;
}

static bool take_protocol(struct tl_sv *rest, struct tl_sv *out)
{
    static const char known[][8] = {"http", "https", "ftp", "file", "mailto", "jrt", "jmod"};
    struct tl_sv after = *rest, name = tl_sv_cut(&after, ':');

    for (size_t i = 0; i < TL_COUNT(known); i++)
        if (name.size < rest->size && tl_sv_eq_nocase(name, tl_sv_from(known[i]))) {
            *out = tl_sv_from(known[i]);
            *rest = after;
            return true;
        }
    return false;
}

/* Integer.parseInt: a sign is allowed, and -1 is no port. */
static bool is_port(struct tl_sv text)
{
    int64_t port;
    bool plus = text.size > 1 && text.data[0] == '+' && text.data[1] != '-' && text.data[1] != '+';

    if (plus)
        text = part(text.data + 1, text.data + text.size);
    return text.size == 0 || (tl_sv_to_i64(text, &port) && port >= -1 && port <= INT32_MAX);
}

static bool is_ipv6(struct tl_sv text)
{
    struct tl_sv address = tl_sv_cut(&text, '%');
    struct in6_addr out;
    char copy[64];

    /* Behind % stands a zone, and it is not empty. */
    if (address.size >= sizeof copy || (address.data + address.size < text.data && text.size == 0))
        return false;
    memcpy(copy, address.data, address.size);
    copy[address.size] = '\0';
    return inet_pton(AF_INET6, copy, &out) == 1;
}

/* host, host:port, [address]:port */
static bool split_host(struct tl_sv text, struct tl_sv *host)
{
    const char *end = text.data + text.size, *colon;

    if (text.size > 0 && text.data[0] == '[') {
        const char *bracket = find(text, ']');

        if (bracket == NULL || !is_ipv6(part(text.data + 1, bracket)) || (bracket + 1 < end && bracket[1] != ':'))
            return false;
        colon = bracket + 1;
    } else {
        colon = find(text, ':');
        if (colon == NULL)
            colon = end;
    }
    *host = part(text.data, colon);
    return colon >= end || is_port(part(colon + 1, end));
}

static bool split_authority(struct tl_url *url)
{
    const char *end = url->authority.data + url->authority.size, *at = find(url->authority, '@');

    if (at == NULL)
        return split_host(url->authority, &url->host);
    if (find(part(at + 1, end), '@') != NULL) { /* then there is no telling what is what */
        url->host = TL_SV("");
        return true;
    }
    url->user_info = part(url->authority.data, at);
    return split_host(part(at + 1, end), &url->host);
}

/* The last ? begins the query, and it is an address unless it is empty. */
static bool parse_mailto(struct tl_sv rest, struct tl_url *out)
{
    const char *end = rest.data + rest.size, *mark = rest.size > 0 ? memrchr(rest.data, '?', rest.size) : NULL;

    out->ref = (struct tl_sv){NULL, 0};
    out->host = TL_SV("");
    out->file = rest;
    out->path = part(rest.data, mark != NULL ? mark : end);
    if (mark != NULL)
        out->query = part(mark + 1, end);
    return trim(rest).size > 0;
}

bool tl_url_parse(struct tl_sv text, struct tl_url *out)
{
    struct tl_sv rest = trim(text);
    const char *at, *end, *mark;

    *out = (struct tl_url){0};
    if (rest.size >= 4 && tl_sv_eq_nocase(part(rest.data, rest.data + 4), TL_SV("url:")))
        rest = part(rest.data + 4, rest.data + rest.size);
    if (!take_protocol(&rest, &out->protocol))
        return false;
    at = rest.data;
    end = rest.data + rest.size;
    mark = find(rest, '#');
    if (mark != NULL) {
        out->ref = part(mark + 1, end);
        end = mark;
    }
    if (tl_sv_eq(out->protocol, TL_SV("mailto")))
        return parse_mailto(part(at, end), out);
    mark = find(part(at, end), '?');
    if (mark != NULL)
        out->query = part(mark + 1, end);
    out->file = part(at, end);
    end = mark != NULL ? mark : end;
    out->host = TL_SV("");
    /* Behind four slashes stands a path of a network drive. */
    if (end - at >= 2 && memcmp(at, "//", 2) == 0 && !(end - at >= 4 && memcmp(at, "////", 4) == 0)) {
        const char *slash = find(part(at + 2, end), '/');

        out->authority = part(at + 2, slash != NULL ? slash : end);
        at = out->authority.data + out->authority.size;
        out->file = part(at, out->file.data + out->file.size);
        if (!split_authority(out))
            return false;
    }
    out->path = part(at, end);
    return true;
}

bool tl_url_query_find(struct tl_sv query, struct tl_sv key, struct tl_sv *out)
{
    /* A key with & in it is looked for as it stands, so the whole rest is compared and not one pair. */
    for (struct tl_sv rest = query; rest.size > key.size; (void)tl_sv_cut(&rest, '&'))
        if (tl_sv_starts(rest, key) && rest.data[key.size] == '=') {
            rest = part(rest.data + key.size + 1, rest.data + rest.size);
            *out = tl_sv_cut(&rest, '&');
            return true;
        }
    return false;
}
