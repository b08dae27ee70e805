/* collect.c: the collector. See collect.h. */
#include "speed_layer/collect.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "speed_layer/collect_event.h"
#include "speed_layer/json_elements.h"
#include "speed_layer/tally_js.h"
#include "speed_layer/url_mask.h"

enum { TOKEN_BYTES_MIN = 16, TOKEN_BYTES_MAX = 512, PATH_BYTES_MAX = 200, ETAG_BYTES = 20 };

static const unsigned char pixel[] = {0x47, 0x49, 0x46, 0x38, 0x39, 0x61, 0x01, 0x00, 0x01, 0x00, 0x80, 0x00, 0x00, 0xff, 0xff,
                                      0xff, 0x00, 0x00, 0x00, 0x21, 0xf9, 0x04, 0x01, 0x00, 0x00, 0x00, 0x00, 0x2c, 0x00, 0x00,
                                      0x00, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00, 0x02, 0x02, 0x44, 0x01, 0x00, 0x3b};

struct tl_collect {
    struct tl_sv path; /* the option's: without a / at its end */
    struct tl_option_list origins;
    bool every_origin;
    size_t body_bytes_max, events_max;
    char token[TOKEN_BYTES_MAX + 1];
    size_t token_size; /* 0: none */
    char etag[ETAG_BYTES];
};

/* --- opening -------------------------------------------------------------------------------------------------------------- */

static enum tl_code token_take(struct tl_collect *collect, struct tl_sv text, const char *from, struct tl_err *err)
{
    text = tl_sv_trim(tl_sv_cut(&text, '\n'));
    if (text.size < TOKEN_BYTES_MIN || text.size > TOKEN_BYTES_MAX)
        return tl_fail(err, TL_ERR_USAGE,
                       "%s: a token has %d to %d characters, this one has %zu; `openssl rand -hex 32` makes one", from,
                       TOKEN_BYTES_MIN, TOKEN_BYTES_MAX, text.size);
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return tl_fail(err, TL_ERR_USAGE, "%s: a token has letters, digits and signs, and no spaces", from);
    memcpy(collect->token, text.data, text.size);
    collect->token_size = text.size;
    return TL_OK;
}

static enum tl_code token_read(struct tl_collect *collect, const char *path, struct tl_err *err)
{
    char text[TOKEN_BYTES_MAX + 2];
    FILE *file = fopen(path, "rb");
    size_t size;

    if (file == NULL)
        return tl_fail_errno(err, TL_ERR_USAGE, "--collect-token-file %s", path);
    size = fread(text, 1, sizeof text, file);
    fclose(file);
    return token_take(collect, (struct tl_sv){text, size}, path, err);
}

/* "https://www.example.com", "http://localhost:3000" */
static bool is_origin(const char *text)
{
    const char *host = strstr(text, "://");

    return host != NULL && host > text && host[3] != '\0' && strpbrk(host + 3, "/?#@ ") == NULL;
}

static enum tl_code origins_take(struct tl_collect *collect, const struct tl_option_list *origins, struct tl_err *err)
{
    collect->origins = *origins;
    for (size_t i = 0; i < origins->count; i++) {
        if (strcmp(origins->items[i], "*") == 0)
            collect->every_origin = true;
        else if (!is_origin(origins->items[i]))
            return tl_fail(err, TL_ERR_USAGE,
                           "--collect-origin %s: an origin is like https://www.example.com, without a path; * stands for all",
                           origins->items[i]);
    }
    return TL_OK;
}

static enum tl_code path_take(struct tl_collect *collect, const char *path, struct tl_err *err)
{
    const size_t size = strlen(path);

    collect->path = (struct tl_sv){path, size};
    if (size < 2 || size > PATH_BYTES_MAX || path[0] != '/' || path[size - 1] == '/' || strpbrk(path, "?#;% \t\"") != NULL)
        return tl_fail(err, TL_ERR_USAGE, "--collect-path %s: it is a path like /tally, without a / at its end", path);
    return TL_OK;
}

enum tl_code tl_collect_open(const struct tl_collect_options *options, struct tl_collect **out, struct tl_err *err)
{
    struct tl_collect *collect = calloc(1, sizeof *collect);
    const char *token = getenv("TALLY_COLLECT_TOKEN");
    enum tl_code rc;

    if (collect == NULL)
        return tl_fail_memory(err, sizeof *collect);
    collect->body_bytes_max = (size_t)options->body_bytes_max;
    collect->events_max = (size_t)options->events_max;
    snprintf(collect->etag, sizeof collect->etag, "\"%016" PRIx64 "\"",
             tl_hash_bytes((struct tl_sv){(const char *)tally_js, sizeof tally_js}));
    TL_TRY(path_take(collect, options->path, err));
    TL_TRY(origins_take(collect, &options->origins, err));
    if (options->token_file != NULL)
        TL_TRY(token_read(collect, options->token_file, err));
    else if (token != NULL && token[0] != '\0')
        TL_TRY(token_take(collect, tl_sv_from(token), "TALLY_COLLECT_TOKEN", err));
    *out = collect;
out:
    if (rc != TL_OK)
        tl_collect_close(collect);
    return rc;
}

void tl_collect_close(struct tl_collect *collect)
{
    if (collect == NULL)
        return;
    OPENSSL_cleanse(collect->token, sizeof collect->token);
    free(collect);
}

size_t tl_collect_body_max(const struct tl_collect *collect)
{
    return collect->body_bytes_max;
}

/* --- what is asked for ---------------------------------------------------------------------------------------------------- */

enum thing { NOTHING, EVENTS, PIXEL, SCRIPT };

static enum thing thing_of(const struct tl_collect *collect, struct tl_sv target)
{
    struct tl_sv path = tl_sv_cut(&target, '?');

    if (!tl_sv_starts(path, collect->path))
        return NOTHING;
    path = (struct tl_sv){path.data + collect->path.size, path.size - collect->path.size};
    if (tl_sv_eq(path, TL_SV("/collect")))
        return EVENTS;
    if (tl_sv_eq(path, TL_SV("/pixel.gif")))
        return PIXEL;
    return tl_sv_eq(path, TL_SV("/tally.js")) ? SCRIPT : NOTHING;
}

bool tl_collect_is_mine(const struct tl_collect *collect, struct tl_sv target)
{
    return thing_of(collect, target) != NOTHING;
}

void tl_collect_answer_init(struct tl_collect_answer *answer)
{
    *answer = (struct tl_collect_answer){.status = 0};
}

void tl_collect_answer_done(struct tl_collect_answer *answer)
{
    tl_buf_done(&answer->lines);
    tl_buf_done(&answer->body);
}

/* One request on its way to its answer. */
struct visit {
    const struct tl_collect *collect;
    const struct tl_event_rules *rules;
    struct tl_event_maker *maker;
    const struct tl_request *request;
    const struct tl_collect_sink *sink;
    struct tl_collect_answer *answer;
    struct tl_buf event, props, masked; /* of the event at hand */
    bool trusted, failed;               /* failed: out of memory */
};

static struct tl_sv header_of(const struct visit *visit, struct tl_sv name)
{
    const struct tl_request *request = visit->request;

    for (size_t h = 0; h < request->headers_count; h++)
        if (tl_sv_eq_nocase(request->headers[h].name, name))
            return request->headers[h].value;
    return (struct tl_sv){NULL, 0};
}

static bool has_header(const struct visit *visit, struct tl_sv name)
{
    for (size_t h = 0; h < visit->request->headers_count; h++)
        if (tl_sv_eq_nocase(visit->request->headers[h].name, name))
            return true;
    return false;
}

static void line(struct visit *visit, const char *name, struct tl_sv value)
{
    struct tl_buf *lines = &visit->answer->lines;

    tl_buf_put_str(lines, name);
    tl_buf_put_sv(lines, TL_SV(": "));
    tl_buf_put_sv(lines, value);
    tl_buf_put_sv(lines, TL_SV("\r\n"));
}

static void answer_error(struct visit *visit, int status, const char *reason)
{
    visit->answer->status = status;
    line(visit, "Content-Type", TL_SV("application/json"));
    tl_buf_put_sv(&visit->answer->body, TL_SV("{\"error\":"));
    tl_buf_put_json(&visit->answer->body, tl_sv_from(reason));
    tl_buf_put_sv(&visit->answer->body, TL_SV("}\n"));
}

/* --- one event ------------------------------------------------------------------------------------------------------------ */

/* Addresses in it are to be without secrets as others are. */
static bool mask_texts(struct visit *visit, json_t *value)
{
    struct tl_sv text = {json_string_value(value), json_string_length(value)}, masked;
    const char *name;
    json_t *one;
    size_t i;

    if (json_is_string(value)) {
        return tl_url_mask_apply(tl_event_rules_mask(visit->rules), text, &visit->masked, &masked) &&
               (masked.data == text.data || json_string_setn(value, masked.data, masked.size) == 0);
    }
    if (json_is_array(value)) {
        json_array_foreach(value, i, one) if (!mask_texts(visit, one)) return false;
    }
    if (json_is_object(value)) {
        json_object_foreach(value, name, one) if (!mask_texts(visit, one)) return false;
    }
    return true;
}

static int put_dump(const char *bytes, size_t size, void *buf)
{
    tl_buf_put(buf, bytes, size);
    return ((struct tl_buf *)buf)->failed ? -1 : 0;
}

/* NULL: it is in visit->props, or there are none; else why not. */
static const char *dump_props(struct visit *visit, json_t *props)
{
    tl_buf_clear(&visit->props);
    if (props == NULL)
        return NULL;
    /* 15 digits: 0.1 stays 0.1. */
    if (!mask_texts(visit, props) ||
        json_dump_callback(props, put_dump, &visit->props, JSON_COMPACT | JSON_REAL_PRECISION(15)) != 0) {
        visit->failed = true;
        return "out of memory";
    }
    return visit->props.size <= TL_COLLECT_PROPS_BYTES_MAX ? NULL : "props has more than 16384 bytes";
}

static void fill_request(const struct visit *visit, const struct tl_collected *said, struct tl_request *out)
{
    *out = *visit->request;
    out->method = said->method;
    out->target = said->url;
    if (said->host.data != NULL)
        out->host = said->host;
    if (said->has_time)
        out->time_ms = said->time_ms;
    if (said->says_ip)
        out->ip = said->ip;
    if (said->says_headers) {
        out->headers = said->headers;
        out->headers_count = said->headers_count;
    }
}

/* What it says; of a server that hands a request's headers over, these. */
static void fill_said(const struct visit *visit, const struct tl_collected *said, const struct tl_request *request,
                      struct tl_request_said *out)
{
    *out = (struct tl_request_said){
        .now_ms = visit->request->time_ms, .referrer = said->referrer, .user_agent = said->user_agent, .name = said->name};
    /* A server that says the method tells of a request, which has no name in intercept's own events either. */
    if (said->name.data == NULL && said->method.data == NULL)
        out->name = TL_SV("page_view");
    if (said->has_id)
        out->id = (struct tl_sv){said->id, sizeof said->id};
    if (said->props != NULL)
        out->props = tl_buf_sv(&visit->props);
    for (size_t h = 0; h < request->headers_count; h++) {
        const struct tl_http1_header *header = &request->headers[h];

        if (!said->says_agent && out->user_agent.data == NULL && tl_sv_eq_nocase(header->name, TL_SV("user-agent")))
            out->user_agent = header->value;
        else if (said->says_headers && !said->has_referrer && out->referrer.data == NULL &&
                 tl_sv_eq_nocase(header->name, TL_SV("referer")))
            out->referrer = header->value;
    }
}

/* NULL: taken, or of those that are not logged. */
static const char *take(struct visit *visit, const struct tl_collected *said)
{
    const struct tl_request_answer answer = {said->status > 0 ? (int)said->status : 0, said->duration_ms, said->bytes};
    struct tl_request request;
    struct tl_request_said more;
    struct tl_request_event event;
    struct tl_capture_event captured;
    const char *why = dump_props(visit, said->props);

    if (why != NULL)
        return why;
    fill_request(visit, said, &request);
    if (!tl_request_is_logged(visit->rules, &request))
        return NULL;
    fill_said(visit, said, &request, &more);
    tl_buf_clear(&visit->event);
    if (!tl_request_event_begin_said(visit->maker, &request, &more, &visit->event, &event)) {
        visit->failed = true;
        return "out of memory";
    }
    tl_request_event_end(&visit->event, &answer);
    visit->failed |= visit->event.failed;
    captured = (struct tl_capture_event){
        .id = {event.id, sizeof event.id},
        .host = event.host,
        .ip = event.ip,
        .user_agent = event.user_agent,
        .value = tl_buf_sv(&visit->event)
    };
    visit->sink->put(visit->sink->ctx, &captured);
    visit->answer->taken_count++;
    return NULL;
}

static const char *take_element(struct visit *visit, const struct tl_json_element *element, char reason[TL_COLLECT_REASON_BYTES])
{
    struct tl_collected said;
    json_error_t error;
    const char *why;
    json_t *event;

    if (element->depth > TL_COLLECT_DEPTH_MAX)
        return "it is more than 32 levels deep";
    event = json_loadb(element->text.data, element->text.size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
    if (event == NULL) {
        snprintf(reason, TL_COLLECT_REASON_BYTES, "no JSON at its byte %d: %s", error.position, error.text);
        return reason;
    }
    why = tl_collected_read(event, visit->trusted, reason, &said);
    if (why == NULL)
        why = take(visit, &said);
    tl_collected_close(&said);
    json_decref(event);
    return why;
}

/* --- a batch -------------------------------------------------------------------------------------------------------------- */

static void put_rejected(struct tl_buf *out, bool first, size_t index, const char *why)
{
    tl_buf_put_sv(out, first ? TL_SV("{\"index\":") : TL_SV(",{\"index\":"));
    tl_buf_put_decimal(out, index);
    tl_buf_put_sv(out, TL_SV(",\"reason\":"));
    tl_buf_put_json(out, tl_sv_from(why));
    tl_buf_put_sv(out, TL_SV("}"));
}

static void take_all(struct visit *visit, const struct tl_json_element *elements, size_t count)
{
    struct tl_buf rejected;
    size_t rejected_count = 0;

    tl_buf_init(&rejected, 0);
    for (size_t i = 0; i < count && !visit->failed; i++) {
        char reason[TL_COLLECT_REASON_BYTES];
        const char *why = take_element(visit, &elements[i], reason);

        if (why != NULL)
            put_rejected(&rejected, rejected_count++ == 0, i, why);
    }
    visit->answer->status = rejected_count == 0 ? 204 : 400;
    if (rejected_count > 0) {
        struct tl_buf *body = &visit->answer->body;

        line(visit, "Content-Type", TL_SV("application/json"));
        tl_buf_put_sv(body, TL_SV("{\"accepted\":"));
        tl_buf_put_decimal(body, count - rejected_count);
        tl_buf_put_sv(body, TL_SV(",\"rejected\":["));
        tl_buf_put_sv(body, tl_buf_sv(&rejected));
        tl_buf_put_sv(body, TL_SV("]}\n"));
    }
    visit->failed |= rejected.failed;
    tl_buf_done(&rejected);
}

static void take_body(struct visit *visit, struct tl_sv body, bool lines)
{
    const size_t max = visit->collect->events_max;
    struct tl_json_element *elements = calloc(max + 1, sizeof *elements);
    const char *why = NULL;
    char error[TL_COLLECT_REASON_BYTES];
    size_t count, at = 0;

    if (elements == NULL) {
        visit->failed = true;
        return;
    }
    if (lines)
        tl_json_lines(body, elements, max, &count);
    else
        why = tl_json_elements(body, elements, max, &count, &at);
    if (why == NULL && count == 0)
        why = "there is nothing";
    if (why != NULL) {
        snprintf(error, sizeof error, "no JSON at byte %zu: %s", at, why);
        answer_error(visit, 400, error);
    } else if (count > max) {
        snprintf(error, sizeof error, "more than %zu events", max);
        answer_error(visit, 413, error);
    } else {
        take_all(visit, elements, count);
    }
    free(elements);
}

/* --- who may send --------------------------------------------------------------------------------------------------------- */

/* A page of the same host, or of one that the user has named. */
static bool origin_may(const struct visit *visit, struct tl_sv origin)
{
    const struct tl_collect *collect = visit->collect;
    const char *slashes;

    if (collect->every_origin)
        return true;
    for (size_t i = 0; i < collect->origins.count; i++)
        if (tl_sv_eq_nocase(origin, tl_sv_from(collect->origins.items[i])))
            return true;
    slashes = origin.size > 0 ? memmem(origin.data, origin.size, "://", 3) : NULL;
    if (slashes == NULL || visit->request->host.size == 0)
        return false;
    slashes += 3;
    return tl_sv_eq_nocase((struct tl_sv){slashes, (size_t)(origin.data + origin.size - slashes)}, visit->request->host);
}

/* False: it was answered. */
static bool check_origin(struct visit *visit)
{
    const struct tl_sv origin = header_of(visit, TL_SV("origin"));

    line(visit, "Vary", TL_SV("Origin"));
    if (origin.data == NULL)
        return true;
    if (!origin_may(visit, origin)) {
        answer_error(visit, 403, "events of this origin are not taken: --collect-origin names those that are");
        return false;
    }
    line(visit, "Access-Control-Allow-Origin", origin);
    /* sendBeacon is always sent with credentials; nothing is made of them. */
    line(visit, "Access-Control-Allow-Credentials", TL_SV("true"));
    return true;
}

/* False: it was answered. Another scheme than Bearer is the site's. */
static bool check_token(struct visit *visit)
{
    const struct tl_collect *collect = visit->collect;
    struct tl_sv token = header_of(visit, TL_SV("authorization")), scheme = tl_sv_cut(&token, ' ');

    if (!tl_sv_eq_nocase(scheme, TL_SV("Bearer")))
        return true;
    token = tl_sv_trim(token);
    visit->trusted = collect->token_size > 0 && token.size == collect->token_size &&
                     CRYPTO_memcmp(token.data, collect->token, token.size) == 0;
    if (visit->trusted)
        return true;
    line(visit, "WWW-Authenticate", TL_SV("Bearer"));
    answer_error(visit, 401, "the token is not the collector's");
    return false;
}

/* --- answers -------------------------------------------------------------------------------------------------------------- */

static bool is_method(const struct visit *visit, struct tl_sv method)
{
    return tl_sv_eq(visit->request->method, method);
}

static void answer_method(struct visit *visit, const char *allow)
{
    line(visit, "Allow", tl_sv_from(allow));
    answer_error(visit, 405, "this is not done here");
}

static void answer_preflight(struct visit *visit)
{
    if (!check_origin(visit))
        return;
    visit->answer->status = 204;
    line(visit, "Access-Control-Allow-Methods", TL_SV("POST"));
    line(visit, "Access-Control-Allow-Headers", TL_SV("content-type, authorization"));
    line(visit, "Access-Control-Max-Age", TL_SV("86400"));
}

static void answer_events(struct visit *visit, struct tl_sv body)
{
    struct tl_sv type = header_of(visit, TL_SV("content-type")), kind = tl_sv_trim(tl_sv_cut(&type, ';'));
    const bool lines = tl_sv_eq_nocase(kind, TL_SV("application/x-ndjson"));

    line(visit, "Cache-Control", TL_SV("no-store"));
    if (is_method(visit, TL_SV("OPTIONS"))) {
        answer_preflight(visit);
        return;
    }
    if (!is_method(visit, TL_SV("POST"))) {
        answer_method(visit, "POST, OPTIONS");
        return;
    }
    if (!check_token(visit) || !check_origin(visit))
        return;
    if ((!lines && !tl_sv_eq_nocase(kind, TL_SV("application/json")) && !tl_sv_eq_nocase(kind, TL_SV("text/plain"))) ||
        has_header(visit, TL_SV("content-encoding")))
        answer_error(visit, 415, "events are application/json, text/plain or application/x-ndjson, and not compressed");
    else if (body.size > visit->collect->body_bytes_max)
        answer_error(visit, 413, "the body is longer than a batch may be");
    else
        take_body(visit, body, lines);
}

/* A value of a query, decoded, as a text of JSON's (which takes no bad UTF-8: it becomes U+FFFD); NULL: out of memory. */
static json_t *query_value(struct visit *visit, struct tl_sv value)
{
    struct tl_buf *text = &visit->masked;
    json_t *quoted;

    tl_buf_clear(text);
    for (size_t i = 0; i < value.size; i++) {
        const bool escape = value.data[i] == '%' && i + 2 < value.size && tl_hex_digit(value.data[i + 1]) >= 0 &&
                            tl_hex_digit(value.data[i + 2]) >= 0;

        if (escape)
            tl_buf_put_u8(text, (uint8_t)(tl_hex_digit(value.data[i + 1]) * 16 + tl_hex_digit(value.data[i + 2])));
        else
            tl_buf_put_u8(text, value.data[i] == '+' ? ' ' : (uint8_t)value.data[i]);
        i += escape ? 2 : 0;
    }
    tl_buf_clear(&visit->props);
    tl_buf_put_json(&visit->props, tl_buf_sv(text));
    if (text->failed || visit->props.failed)
        return NULL;
    quoted = json_loadb(visit->props.data, visit->props.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    return quoted;
}

/* url, referrer and name of the query; the Referer for the url. */
static json_t *pixel_event(struct visit *visit)
{
    struct tl_sv query = visit->request->target, referer = header_of(visit, TL_SV("referer"));
    json_t *event = json_object();

    (void)tl_sv_cut(&query, '?');
    while (event != NULL && query.size > 0) {
        struct tl_sv value = tl_sv_cut(&query, '&'), name = tl_sv_cut(&value, '=');
        static const char *const members[] = {"url", "referrer", "name"};

        for (size_t m = 0; m < TL_COUNT(members); m++)
            if (tl_sv_eq(name, tl_sv_from(members[m])) && value.size > 0)
                json_object_set_new(event, members[m], query_value(visit, value));
    }
    if (event != NULL && json_object_get(event, "url") == NULL && referer.size > 0) {
        tl_buf_clear(&visit->props);
        tl_buf_put_json(&visit->props, referer);
        json_object_set_new(event, "url",
                            json_loadb(visit->props.data, visit->props.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
    }
    return event;
}

/* Whatever comes of it, the answer is the image. */
static void answer_pixel(struct visit *visit)
{
    char reason[TL_COLLECT_REASON_BYTES];
    struct tl_collected said;
    json_t *event;

    line(visit, "Cache-Control", TL_SV("no-store"));
    if (!is_method(visit, TL_SV("GET")) && !is_method(visit, TL_SV("HEAD"))) {
        answer_method(visit, "GET, HEAD");
        return;
    }
    event = pixel_event(visit);
    if (event != NULL && is_method(visit, TL_SV("GET"))) {
        if (tl_collected_read(event, false, reason, &said) == NULL)
            (void)take(visit, &said);
        tl_collected_close(&said);
    }
    json_decref(event);
    visit->answer->status = 200;
    line(visit, "Content-Type", TL_SV("image/gif"));
    line(visit, "Cross-Origin-Resource-Policy", TL_SV("cross-origin"));
    tl_buf_put(&visit->answer->body, pixel, sizeof pixel);
}

static void answer_script(struct visit *visit)
{
    const struct tl_sv known = header_of(visit, TL_SV("if-none-match"));
    const struct tl_sv etag = tl_sv_from(visit->collect->etag);

    if (!is_method(visit, TL_SV("GET")) && !is_method(visit, TL_SV("HEAD"))) {
        answer_method(visit, "GET, HEAD");
        return;
    }
    line(visit, "Cache-Control", TL_SV("public, max-age=3600"));
    line(visit, "ETag", etag);
    line(visit, "Access-Control-Allow-Origin", TL_SV("*"));
    line(visit, "Cross-Origin-Resource-Policy", TL_SV("cross-origin"));
    visit->answer->status = 304;
    if (known.size > 0 && memmem(known.data, known.size, etag.data, etag.size) != NULL)
        return;
    visit->answer->status = 200;
    line(visit, "Content-Type", TL_SV("text/javascript; charset=utf-8"));
    tl_buf_put(&visit->answer->body, tally_js, sizeof tally_js);
}

void tl_collect_answer(const struct tl_collect *collect, const struct tl_event_rules *rules, struct tl_event_maker *maker,
                       const struct tl_request *request, struct tl_sv body, const struct tl_collect_sink *sink,
                       struct tl_collect_answer *answer)
{
    struct visit visit = {.collect = collect, .rules = rules, .maker = maker, .request = request, .sink = sink, .answer = answer};

    answer->status = 404;
    answer->taken_count = 0;
    tl_buf_clear(&answer->lines);
    tl_buf_clear(&answer->body);
    line(&visit, "X-Content-Type-Options", TL_SV("nosniff"));
    switch (thing_of(collect, request->target)) {
    case EVENTS: answer_events(&visit, body); break;
    case PIXEL: answer_pixel(&visit); break;
    case SCRIPT: answer_script(&visit); break;
    case NOTHING: break;
    }
    if (visit.failed || answer->lines.failed || answer->body.failed) {
        answer->status = 503;
        tl_buf_clear(&answer->lines);
        tl_buf_clear(&answer->body);
    }
    tl_buf_done(&visit.event);
    tl_buf_done(&visit.props);
    tl_buf_done(&visit.masked);
}
