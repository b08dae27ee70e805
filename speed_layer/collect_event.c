/* collect_event.c: one event that was sent, read and checked. See collect_event.h. */
#include "speed_layer/collect_event.h"

#include <stdio.h>
#include <string.h>

#include "event/timestamp.h"
#include "speed_layer/client.h"

enum { NOTE_BYTES = TL_COLLECT_REASON_BYTES };

static const char *note(char reason[NOTE_BYTES], const char *name, const char *what)
{
    snprintf(reason, NOTE_BYTES, "%s %s", name, what);
    return reason;
}

static struct tl_sv text_of(const json_t *value)
{
    return (struct tl_sv){json_string_value(value), json_string_length(value)};
}

/* What is said of the member; NULL: nothing, or null. */
static json_t *said(const json_t *event, const char *name)
{
    json_t *value = json_object_get(event, name);

    return json_is_null(value) ? NULL : value;
}

/* --- texts ---------------------------------------------------------------------------------------------------------------- */

static const char *read_text(const json_t *event, const char *name, size_t bytes_max, char reason[NOTE_BYTES], struct tl_sv *out)
{
    const json_t *value = said(event, name);

    if (value == NULL)
        return NULL;
    if (!json_is_string(value))
        return note(reason, name, "is no text");
    *out = text_of(value);
    if (out->size <= bytes_max)
        return NULL;
    snprintf(reason, NOTE_BYTES, "%s has more than %zu bytes", name, bytes_max);
    return reason;
}

/* http://user@x.com:80/a?b -> x.com:80, /a?b. False: it is none of http and https. */
static bool split_url(struct tl_sv url, struct tl_sv *host, struct tl_sv *path)
{
    static const struct tl_sv schemes[] = {
        {"https://", 8},
        {"http://",  7}
    };

    for (size_t s = 0; s < TL_COUNT(schemes); s++) {
        size_t from = schemes[s].size, to = from;

        if (url.size < from || !tl_sv_eq_nocase((struct tl_sv){url.data, from}, schemes[s]))
            continue;
        while (to < url.size && url.data[to] != '/' && url.data[to] != '?' && url.data[to] != '#')
            to++;
        for (size_t i = from; i < to; i++)
            if (url.data[i] == '@')
                from = i + 1;
        *host = (struct tl_sv){url.data + from, to - from};
        *path = to == url.size ? TL_SV("/") : (struct tl_sv){url.data + to, url.size - to};
        return tl_client_is_host(*host);
    }
    return false;
}

static const char *read_url(const json_t *event, char reason[NOTE_BYTES], struct tl_collected *out)
{
    struct tl_sv url = {NULL, 0};
    const char *why = read_text(event, "url", TL_COLLECT_URL_BYTES_MAX, reason, &url);

    if (why != NULL)
        return why;
    if (url.data == NULL)
        return "url is missing";
    out->url = url;
    if (url.size > 0 && url.data[0] == '/')
        return NULL;
    return split_url(url, &out->host, &out->url) ? NULL : "url is neither a path nor an address of http or https";
}

static const char *read_host(const json_t *event, char reason[NOTE_BYTES], struct tl_collected *out)
{
    struct tl_sv host = {NULL, 0};
    const char *why = read_text(event, "host", TL_COLLECT_NAME_BYTES_MAX, reason, &host);

    if (why != NULL || host.data == NULL)
        return why;
    out->host = host;
    return tl_client_is_host(host) ? NULL : "host is no name of a host";
}

static const char *read_id(const json_t *event, char reason[NOTE_BYTES], struct tl_collected *out)
{
    struct tl_sv id = {NULL, 0};
    const char *why = read_text(event, "event_id", TL_COLLECT_NAME_BYTES_MAX, reason, &id);

    if (why != NULL || id.data == NULL)
        return why;
    if (id.size != TL_COLLECT_ID_BYTES)
        return "event_id is no UUID";
    for (size_t i = 0; i < id.size; i++) {
        const char c = id.data[i];
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23, digit = c >= '0' && c <= '9';

        if (dash ? c != '-' : !digit && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F'))
            return "event_id is no UUID";
        out->id[i] = (char)(c >= 'A' && c <= 'F' ? c + 32 : c);
    }
    out->has_id = true;
    return NULL;
}

static const char *read_props(const json_t *event, struct tl_collected *out)
{
    out->props = said(event, "props");
    return out->props == NULL || json_is_object(out->props) ? NULL : "props is no object";
}

/* --- what a sender with the token may say --------------------------------------------------------------------------------- */

static const char *read_ip(const json_t *event, char reason[NOTE_BYTES], struct tl_collected *out)
{
    struct tl_sv text = {NULL, 0};
    struct tl_endpoint from;
    const char *why = read_text(event, "ip", TL_COLLECT_NAME_BYTES_MAX, reason, &text);

    out->says_ip = json_object_get(event, "ip") != NULL;
    if (why != NULL || text.data == NULL)
        return why;
    if (!tl_endpoint_parse(text, &from))
        return "ip is no address";
    out->ip = tl_sv_from(tl_endpoint_text(&from, out->ip_text));
    return NULL;
}

/* The text, or the column as intercept writes it, as a text or an object. */
static const char *read_agent(const json_t *event, char reason[NOTE_BYTES], struct tl_collected *out)
{
    const json_t *value = said(event, "user_agent"), *text;

    out->says_agent = json_object_get(event, "user_agent") != NULL;
    if (json_is_string(value) && json_string_length(value) > 0 && json_string_value(value)[0] == '{')
        out->agent_own = json_loadb(json_string_value(value), json_string_length(value), JSON_ALLOW_NUL, NULL);
    if (out->agent_own != NULL)
        value = out->agent_own;
    if (json_is_object(value)) {
        text = said(value, "string");
        if (!json_is_string(text))
            return "user_agent has no text as its member string";
        return read_text(value, "string", TL_COLLECT_AGENT_BYTES_MAX, reason, &out->user_agent);
    }
    return read_text(event, "user_agent", TL_COLLECT_AGENT_BYTES_MAX, reason, &out->user_agent);
}

static const char *add_header(const char *name, const json_t *value, struct tl_collected *out)
{
    if (out->headers_count == TL_COUNT(out->headers))
        return "headers has more than 128 values";
    if (!json_is_string(value))
        return "headers has a value that is no text";
    out->headers[out->headers_count++] = (struct tl_http1_header){tl_sv_from(name), text_of(value)};
    return NULL;
}

/* {"accept":"a","x-b":["c","d"]}, or the same as a text. */
static const char *read_headers(json_t *event, struct tl_collected *out)
{
    json_t *headers = said(event, "headers"), *value, *one;
    const char *name, *why = NULL;
    size_t i;

    out->says_headers = json_object_get(event, "headers") != NULL;
    if (json_is_string(headers))
        headers = out->headers_own =
            json_loadb(json_string_value(headers), json_string_length(headers), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    else if (headers == NULL)
        return NULL;
    if (!json_is_object(headers))
        return "headers is no object, nor the text of one";
    json_object_foreach(headers, name, value)
    {
        if (!json_is_array(value))
            why = add_header(name, value, out);
        else
            json_array_foreach(value, i, one) if (why == NULL) why = add_header(name, one, out);
        if (why != NULL)
            return why;
    }
    return NULL;
}

static const char *read_time(const json_t *event, char reason[NOTE_BYTES], struct tl_collected *out)
{
    struct tl_sv text = {NULL, 0};
    const char *why = read_text(event, "event_time", TL_COLLECT_NAME_BYTES_MAX, reason, &text);

    if (why != NULL || text.data == NULL)
        return why;
    out->has_time = tl_time_from_rfc3339(text, &out->time_ms);
    return out->has_time ? NULL : "event_time is no time like 2026-03-01T02:00:07.123Z";
}

static const char *read_method(const json_t *event, char reason[NOTE_BYTES], struct tl_collected *out)
{
    const char *why = read_text(event, "method", 32, reason, &out->method);

    for (size_t i = 0; why == NULL && i < out->method.size; i++)
        if ((out->method.data[i] < 'A' || out->method.data[i] > 'Z') && out->method.data[i] != '-' && out->method.data[i] != '_')
            why = "method is no method of HTTP";
    return why;
}

static const char *read_count(const json_t *event, const char *name, int64_t min, int64_t max, char reason[NOTE_BYTES],
                              int64_t *out)
{
    const json_t *value = said(event, name);

    *out = -1;
    if (value == NULL)
        return NULL;
    *out = json_integer_value(value);
    if (json_is_integer(value) && *out >= min && *out <= max)
        return NULL;
    snprintf(reason, NOTE_BYTES, "%s is no whole number from %lld on", name, (long long)min);
    return reason;
}

static const char *check_rights(const json_t *event, bool trusted, char reason[NOTE_BYTES])
{
    static const char *const members[] = {"ip",     "user_agent", "headers",     "event_time",
                                          "method", "status",     "duration_ms", "bytes"};

    for (size_t m = 0; m < TL_COUNT(members) && !trusted; m++)
        if (said(event, members[m]) != NULL)
            return note(reason, members[m], "is taken only from senders with the token");
    return NULL;
}

/* --- all of it ------------------------------------------------------------------------------------------------------------ */

const char *tl_collected_read(json_t *event, bool trusted, char reason[TL_COLLECT_REASON_BYTES], struct tl_collected *out)
{
    const char *why;

    *out = (struct tl_collected){.status = -1, .duration_ms = -1, .bytes = -1};
    if (!json_is_object(event))
        return "an event is an object";
    out->has_referrer = json_object_get(event, "referrer") != NULL;
    if ((why = check_rights(event, trusted, reason)) != NULL || (why = read_url(event, reason, out)) != NULL ||
        (why = read_host(event, reason, out)) != NULL || (why = read_id(event, reason, out)) != NULL ||
        (why = read_props(event, out)) != NULL ||
        (why = read_text(event, "referrer", TL_COLLECT_URL_BYTES_MAX, reason, &out->referrer)) != NULL ||
        (why = read_text(event, "name", TL_COLLECT_NAME_BYTES_MAX, reason, &out->name)) != NULL || !trusted)
        return why;
    if ((why = read_ip(event, reason, out)) != NULL || (why = read_agent(event, reason, out)) != NULL ||
        (why = read_headers(event, out)) != NULL || (why = read_time(event, reason, out)) != NULL ||
        (why = read_method(event, reason, out)) != NULL ||
        (why = read_count(event, "status", 100, 999, reason, &out->status)) != NULL ||
        (why = read_count(event, "duration_ms", 0, INT64_MAX, reason, &out->duration_ms)) != NULL)
        return why;
    return read_count(event, "bytes", 0, INT64_MAX, reason, &out->bytes);
}

void tl_collected_close(struct tl_collected *collected)
{
    json_decref(collected->headers_own);
    json_decref(collected->agent_own);
}
