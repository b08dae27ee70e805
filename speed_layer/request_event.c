/* request_event.c: a request -> the JSON of an event, without its secrets. See request_event.h. */
#include "speed_layer/request_event.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/table.h"
#include "core/address.h"
#include "core/file_request.h"
#include "core/user_agent_cache.h"
#include "event/timestamp.h"
#include "speed_layer/event_id.h"
#include "speed_layer/nested_json.h"
#include "speed_layer/url_mask.h"

enum {
    /* What a loop remembers of user agents: some thousands are seen again and again. */
    AGENTS_MAX = 20000,
    AGENTS_BYTES_MAX = 8 << 20,
    HOST_BYTES_MAX = 255,
};

/* A new user agent takes 40 us, and a hostile one 10 ms and more: the loop spends 1 % of its time on them (and 50 ms ahead, for a start), and none
 * on those longer than any that uap-core knows. */
enum { AGENT_TEXT_BYTES_MAX = 512, AGENT_SHARE = 100 };
static const int64_t agent_budget_max_ns = 50 * 1000000;

/* --- rules ---------------------------------------------------------------------------------------------------------------- */

static const char *const secret_headers[] = {
    "authorization",
    "cookie",
    "set-cookie",
    "proxy-authorization",
    "api-key",
    "apikey",
    "authentication",
    "cf-access-jwt-assertion",
    "cf-authorization",
    "cookie2",
    "private-token",
    "x-access-token",
    "x-amz-security-token",
    "x-amzn-oidc-accesstoken",
    "x-amzn-oidc-data",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-csrftoken",
    "x-forwarded-access-token",
    "x-gitlab-token",
    "x-goog-iap-jwt-assertion",
    "x-ms-token-aad-access-token",
    "x-ms-token-aad-id-token",
    "x-session-token",
    "x-vault-token",
    "x-xsrf-token",
    "x-forwarded-client-cert",
};

static const char *const address_headers[] = {
    "cf-connecting-ip",         "cf-connecting-ipv6", "cf-pseudo-ipv4",   "client-ip",        "do-connecting-ip",
    "fastly-client-ip",         "fly-client-ip",      "forwarded",        "forwarded-for",    "true-client-ip",
    "x-appengine-user-ip",      "x-azure-clientip",   "x-azure-socketip", "x-client-ip",      "x-cluster-client-ip",
    "x-envoy-external-address", "x-forwarded",        "x-forwarded-for",  "x-originating-ip", "x-original-forwarded-for",
    "x-original-host",          "x-real-ip",          "x-remote-addr",    "x-remote-ip",      "x-vercel-forwarded-for",
};

struct tl_event_rules {
    struct tl_url_mask *mask;
    struct tl_user_agents *agents;
    struct tl_table secret_headers, extensions; /* lower case */
    struct tl_option_list exclude;
    bool own_extensions, anonymize_ip, honor_dnt, log_localhost;
};

static bool table_has(const struct tl_table *table, struct tl_sv key)
{
    return tl_table_find(table, tl_hash_bytes(key), key) != NULL;
}

static void lower(struct tl_sv text, char *out)
{
    for (size_t i = 0; i < text.size; i++)
        out[i] = (char)(text.data[i] >= 'A' && text.data[i] <= 'Z' ? text.data[i] + 32 : text.data[i]);
}

static bool put_lower(struct tl_table *table, struct tl_sv text)
{
    struct tl_buf low;
    char *to;
    bool ok;

    tl_buf_init(&low, 0);
    to = tl_buf_reserve(&low, text.size + 1);
    ok = to != NULL;
    if (ok) {
        struct tl_sv key = {to, text.size};

        lower(text, to);
        ok = tl_table_put(table, tl_hash_bytes(key), key, NULL) != NULL;
    }
    tl_buf_done(&low);
    return ok;
}

static enum tl_code put_names(struct tl_table *table, const char *const *names, size_t count, struct tl_err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!put_lower(table, tl_sv_trim(tl_sv_from(names[i]))))
            return tl_fail_memory(err, strlen(names[i]));
    return TL_OK;
}

/* ".js,.css"; "none" */
static enum tl_code read_extensions(struct tl_event_rules *rules, const char *list, struct tl_err *err)
{
    struct tl_sv rest = tl_sv_from(list);

    rules->own_extensions = true;
    if (tl_sv_eq(rest, TL_SV("none")))
        return TL_OK;
    while (rest.size > 0) {
        struct tl_sv one = tl_sv_trim(tl_sv_cut(&rest, ','));

        if (one.size > 0 && one.data[0] == '.')
            one = (struct tl_sv){one.data + 1, one.size - 1};
        if (one.size == 0)
            continue;
        if (one.size > TL_FILE_EXTENSION_BYTES_MAX || memchr(one.data, '.', one.size) || memchr(one.data, '/', one.size))
            return tl_fail(err, TL_ERR_USAGE, "'%.*s' is no ending of files: letters and digits behind a point, %d at most",
                           TL_SV_ARG(one), TL_FILE_EXTENSION_BYTES_MAX);
        if (!put_lower(&rules->extensions, one))
            return tl_fail_memory(err, one.size);
    }
    return TL_OK;
}

static enum tl_code check_exclude(const struct tl_option_list *exclude, struct tl_err *err)
{
    for (size_t i = 0; i < exclude->count; i++) {
        const char *star = strchr(exclude->items[i], '*');

        if (exclude->items[i][0] != '/' || (star != NULL && star[1] != '\0'))
            return tl_fail(err, TL_ERR_USAGE, "'%s' is no path to leave out: one begins with /, and a * may stand at its end",
                           exclude->items[i]);
    }
    return TL_OK;
}

enum tl_code tl_event_rules_open(const struct tl_event_options *options, struct tl_event_rules **out, struct tl_err *err)
{
    struct tl_event_rules *rules = calloc(1, sizeof *rules);
    enum tl_code rc;

    if (rules == NULL)
        return tl_fail_memory(err, sizeof *rules);
    tl_table_init(&rules->secret_headers, 1, 0);
    tl_table_init(&rules->extensions, 1, 0);
    rules->exclude = options->exclude;
    rules->anonymize_ip = options->anonymize_ip;
    rules->honor_dnt = options->honor_dnt;
    rules->log_localhost = options->log_localhost;
    TL_TRY(check_exclude(&options->exclude, err));
    TL_TRY(put_names(&rules->secret_headers, secret_headers, TL_COUNT(secret_headers), err));
    TL_TRY(put_names(&rules->secret_headers, options->redact_headers.items, options->redact_headers.count, err));
    if (options->anonymize_ip)
        TL_TRY(put_names(&rules->secret_headers, address_headers, TL_COUNT(address_headers), err));
    if (options->file_extensions != NULL)
        TL_TRY(read_extensions(rules, options->file_extensions, err));
    TL_TRY(tl_url_mask_open(&options->mask_params, &rules->mask, err));
    TL_TRY(tl_user_agents_open(options->user_agents != NULL ? options->user_agents : TL_USER_AGENTS_PATH, &rules->agents, err));
    *out = rules;
out:
    if (rc != TL_OK)
        tl_event_rules_close(rules);
    return rc;
}

void tl_event_rules_close(struct tl_event_rules *rules)
{
    if (rules == NULL)
        return;
    tl_user_agents_close(rules->agents);
    tl_url_mask_close(rules->mask);
    tl_table_done(&rules->extensions);
    tl_table_done(&rules->secret_headers);
    free(rules);
}

const struct tl_url_mask *tl_event_rules_mask(const struct tl_event_rules *rules)
{
    return rules->mask;
}

/* --- what is logged ------------------------------------------------------------------------------------------------------- */

struct tl_sv tl_request_host(struct tl_sv host)
{
    size_t size = host.size;

    while (size > 0 && host.data[size - 1] >= '0' && host.data[size - 1] <= '9')
        size--;
    if (size > 0 && host.data[size - 1] == ':')
        host.size = size - 1;
    if (host.size > 1 && host.data[host.size - 1] == '.')
        host.size--;
    return host;
}

static bool is_localhost(struct tl_sv host)
{
    struct tl_address address;
    size_t begin;

    host = tl_request_host(host);
    if (host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']')
        host = (struct tl_sv){host.data + 1, host.size - 2};
    if (tl_address_read(host, &address)) {
        static const uint8_t loopback[16] = {[15] = 1};

        if (!address.v6 || tl_address_is_mapped(&address))
            return address.bytes[address.v6 ? 12 : 0] == 127;
        return memcmp(address.bytes, loopback, sizeof loopback) == 0;
    }
    begin = host.size < 9 ? host.size : host.size - 9;
    return tl_sv_eq_nocase((struct tl_sv){host.data + begin, host.size - begin}, TL_SV("localhost")) &&
           (begin == 0 || host.data[begin - 1] == '.');
}

/* Of an absolute URL too; without the query. */
static struct tl_sv path_of(struct tl_sv url)
{
    size_t from = 0, to;

    if (url.size > 0 && url.data[0] != '/') {
        const char *colon = memmem(url.data, url.size, "://", 3);

        from = colon == NULL ? 0 : (size_t)(colon - url.data) + 3;
        while (colon != NULL && from < url.size && url.data[from] != '/' && url.data[from] != '?' && url.data[from] != '#')
            from++;
    }
    for (to = from; to < url.size && url.data[to] != '?' && url.data[to] != '#';)
        to++;
    return to == from ? TL_SV("/") : (struct tl_sv){url.data + from, to - from};
}

static bool is_excluded(const struct tl_event_rules *rules, struct tl_sv path)
{
    for (size_t i = 0; i < rules->exclude.count; i++) {
        struct tl_sv pattern = tl_sv_from(rules->exclude.items[i]);

        if (pattern.data[pattern.size - 1] == '*' ? tl_sv_starts(path, (struct tl_sv){pattern.data, pattern.size - 1})
                                                  : tl_sv_eq(path, pattern))
            return true;
    }
    return false;
}

static bool is_file(const struct tl_event_rules *rules, struct tl_sv url)
{
    char low[TL_FILE_EXTENSION_BYTES_MAX];
    struct tl_sv extension;

    if (!rules->own_extensions)
        return tl_file_request_is(url);
    extension = tl_file_request_extension(url);
    lower(extension, low);
    return extension.size > 0 && table_has(&rules->extensions, (struct tl_sv){low, extension.size});
}

static struct tl_sv header_of(const struct tl_request *request, struct tl_sv name)
{
    for (size_t i = 0; i < request->headers_count; i++)
        if (tl_sv_eq_nocase(request->headers[i].name, name))
            return request->headers[i].value.data != NULL ? request->headers[i].value : TL_SV("");
    return (struct tl_sv){NULL, 0};
}

bool tl_request_is_logged(const struct tl_event_rules *rules, const struct tl_request *request)
{
    if (rules->honor_dnt &&
        (tl_sv_eq(header_of(request, TL_SV("dnt")), TL_SV("1")) || tl_sv_eq(header_of(request, TL_SV("sec-gpc")), TL_SV("1"))))
        return false;
    return (rules->log_localhost || !is_localhost(request->host)) && !is_file(rules, request->target) &&
           !is_excluded(rules, path_of(request->target));
}

/* --- the event ------------------------------------------------------------------------------------------------------------ */

struct tl_event_maker {
    const struct tl_event_rules *rules;
    struct tl_user_agent_cache *agents;
    struct tl_arena batch; /* what the cache gives up while an event is made */
    int64_t agent_budget_ns, agent_budget_at_ns;
    struct tl_event_ids ids;
    struct tl_buf scratch, names;
    char host[HOST_BYTES_MAX], ip[TL_ADDRESS_TEXT_BYTES];
};

/* The column as it stands in the event: the JSON, and in it the text. */
static void put_agent_column(struct tl_sv json, struct tl_sv text, struct tl_buf *out)
{
    tl_buf_put_sv(out, TL_SV("\""));
    tl_nested_json_put(out, (struct tl_sv){json.data, json.size - 1});
    tl_buf_put_sv(out, TL_SV(",\\\"string\\\":"));
    tl_nested_json_put_text(out, text);
    tl_buf_put_sv(out, TL_SV("}\""));
}

enum tl_code tl_event_maker_open(const struct tl_event_rules *rules, struct tl_event_maker **out, struct tl_err *err)
{
    struct tl_event_maker *maker = calloc(1, sizeof *maker);
    char id[TL_EVENT_ID_TEXT_BYTES];

    if (maker == NULL)
        return tl_fail_memory(err, sizeof *maker);
    maker->rules = rules;
    tl_arena_init(&maker->batch, 1024, 0);
    tl_buf_init(&maker->scratch, 0);
    tl_buf_init(&maker->names, 0);
    maker->agents = tl_user_agent_cache_open();
    if (maker->agents == NULL) {
        tl_event_maker_close(maker);
        return tl_fail_memory(err, sizeof *maker->agents);
    }
    maker->agents->as_sent = true;
    maker->agents->dress = put_agent_column;
    maker->agents->count_max = AGENTS_MAX;
    maker->agents->bytes_max = AGENTS_BYTES_MAX;
    maker->agent_budget_ns = agent_budget_max_ns;
    maker->agent_budget_at_ns = tl_clock_monotonic_ns();
    if (!tl_event_ids_next(&maker->ids, 0, id)) {
        tl_event_maker_close(maker);
        return tl_fail_errno(err, TL_ERR_IO, "random bytes for event ids");
    }
    *out = maker;
    return TL_OK;
}

void tl_event_maker_close(struct tl_event_maker *maker)
{
    if (maker == NULL)
        return;
    if (maker->agents != NULL)
        tl_user_agent_cache_close(maker->agents);
    tl_arena_done(&maker->batch);
    tl_buf_done(&maker->names);
    tl_buf_done(&maker->scratch);
    free(maker);
}

static void put_text(struct tl_buf *out, struct tl_sv text)
{
    if (text.data == NULL)
        tl_buf_put_sv(out, TL_SV("null"));
    else
        tl_buf_put_json(out, text);
}

static bool put_url(struct tl_event_maker *maker, struct tl_sv url, struct tl_buf *out)
{
    struct tl_sv masked;

    if (!tl_url_mask_apply(maker->rules->mask, url, &maker->scratch, &masked))
        return false;
    put_text(out, masked);
    return true;
}

/* --- headers */

/* Without the secrets of URLs. */
static bool put_value(struct tl_event_maker *maker, struct tl_sv value, struct tl_buf *out)
{
    struct tl_sv masked;

    if (!tl_url_mask_apply(maker->rules->mask, value, &maker->scratch, &masked))
        return false;
    tl_nested_json_put_part(out, masked);
    return true;
}

/* Lower case, one behind the other, and their hashes. */
static bool lower_names(struct tl_event_maker *maker, const struct tl_request *request, size_t count, struct tl_sv *names,
                        uint64_t *hashes)
{
    size_t bytes = 1;
    char *to;

    for (size_t i = 0; i < count; i++)
        bytes += request->headers[i].name.size;
    tl_buf_clear(&maker->names);
    to = tl_buf_reserve(&maker->names, bytes);
    for (size_t i = 0; to != NULL && i < count; i++) {
        const struct tl_sv name = request->headers[i].name;

        lower(name, to);
        names[i] = (struct tl_sv){to, name.size};
        hashes[i] = tl_hash_bytes(names[i]);
        to += name.size;
    }
    return to != NULL;
}

/* The values of all headers with the name of the one at `first`, as one: "a, b". */
static bool put_values(struct tl_event_maker *maker, const struct tl_request *request, size_t count, size_t first,
                       const uint64_t *hashes, bool *done, struct tl_buf *out)
{
    for (size_t i = first; i < count; i++) {
        if (hashes[i] != hashes[first])
            continue;
        done[i] = true;
        if (i > first)
            tl_buf_put_sv(out, TL_SV(", "));
        if (!put_value(maker, request->headers[i].value, out))
            return false;
    }
    return true;
}

static bool put_headers(struct tl_event_maker *maker, const struct tl_request *request, struct tl_buf *out)
{
    const size_t count = request->headers_count > TL_HTTP1_HEADERS_MAX ? TL_HTTP1_HEADERS_MAX : request->headers_count;
    struct tl_sv names[TL_HTTP1_HEADERS_MAX];
    uint64_t hashes[TL_HTTP1_HEADERS_MAX];
    bool done[TL_HTTP1_HEADERS_MAX] = {false};

    if (!lower_names(maker, request, count, names, hashes))
        return false;
    for (size_t i = 0; i < count; i++) {
        const bool is_secret = !done[i] && tl_table_find(&maker->rules->secret_headers, hashes[i], names[i]) != NULL;

        if (done[i])
            continue;
        tl_buf_put_sv(out, i == 0 ? TL_SV("\"{") : TL_SV(","));
        tl_nested_json_put_text(out, names[i]);
        tl_buf_put_sv(out, is_secret ? TL_SV(":\\\"[redacted]\\\"") : TL_SV(":\\\""));
        if (is_secret) {
            for (size_t k = i; k < count; k++)
                done[k] |= hashes[k] == hashes[i];
            continue;
        }
        if (!put_values(maker, request, count, i, hashes, done, out))
            return false;
        tl_buf_put_sv(out, TL_SV("\\\""));
    }
    tl_buf_put_sv(out, count == 0 ? TL_SV("\"{}\"") : TL_SV("}\""));
    return true;
}

/* --- user agent */

static const char unread_agent[] = "{\"family\":null,\"major\":null,\"minor\":null,\"patch\":null,"
                                   "\"os\":{\"family\":null,\"major\":null,\"minor\":null,\"patch\":null,\"patch_minor\":null},"
                                   "\"device\":{\"family\":null,\"brand\":null,\"model\":null}}";

/* What the loop itself has spent: time that others had on its processor is not the text's. */
static int64_t spent_ns(void)
{
    struct timespec spent;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return (int64_t)spent.tv_sec * 1000000000 + spent.tv_nsec;
}

/* Is there time for a new one? */
static bool may_parse(struct tl_event_maker *maker)
{
    const int64_t now_ns = tl_clock_monotonic_ns();

    maker->agent_budget_ns =
        tl_min_i64(maker->agent_budget_ns + (now_ns - maker->agent_budget_at_ns) / AGENT_SHARE, agent_budget_max_ns);
    maker->agent_budget_at_ns = now_ns;
    return maker->agent_budget_ns > 0;
}

static bool put_user_agent(struct tl_event_maker *maker, struct tl_sv text, struct tl_buf *out)
{
    struct tl_user_agent_answer answer;
    int64_t before_ns;

    if (text.data == NULL) {
        tl_buf_put_sv(out, TL_SV("null"));
        return true;
    }
    tl_arena_reset(&maker->batch);
    if (text.size > AGENT_TEXT_BYTES_MAX || !tl_user_agent_cache_peek(maker->agents, text, &answer)) {
        if (text.size > AGENT_TEXT_BYTES_MAX || !may_parse(maker)) {
            put_agent_column((struct tl_sv){unread_agent, sizeof unread_agent - 1}, text, out);
            return true;
        }
        before_ns = spent_ns();
        if (!tl_user_agent_cache_find(maker->agents, maker->rules->agents, text, &maker->batch, &answer))
            return false;
        maker->agent_budget_ns -= spent_ns() - before_ns;
    }
    tl_buf_put_sv(out, answer.json);
    return true;
}

/* --- host, ip, time */

static struct tl_sv lower_host(struct tl_event_maker *maker, struct tl_sv host)
{
    host = tl_request_host(host);
    if (host.size > HOST_BYTES_MAX)
        host.size = HOST_BYTES_MAX;
    lower(host, maker->host);
    return host.size == 0 ? (struct tl_sv){NULL, 0} : (struct tl_sv){maker->host, host.size};
}

static struct tl_sv logged_ip(struct tl_event_maker *maker, struct tl_sv ip)
{
    struct tl_address address;

    if (ip.size == 0)
        return (struct tl_sv){NULL, 0};
    if (!maker->rules->anonymize_ip)
        return ip;
    if (!tl_address_read(ip, &address))
        return (struct tl_sv){NULL, 0};
    tl_address_anonymize(&address);
    return (struct tl_sv){maker->ip, tl_address_print(&address, maker->ip)};
}

static void put_time(struct tl_buf *out, int64_t time_ms)
{
    char text[TL_TIME_TEXT_BYTES];
    size_t size = tl_time_to_iso_z(time_ms, text);

    tl_buf_put_sv(out, TL_SV(",\"event_time\":\""));
    tl_buf_put(out, text, size);
    tl_buf_put_sv(out, TL_SV("\""));
}

static bool make_id(struct tl_event_maker *maker, const struct tl_request_said *said, char id[TL_REQUEST_ID_BYTES])
{
    if (said->id.data == NULL)
        return tl_event_ids_next(&maker->ids, said->now_ms, id);
    assert(said->id.size == TL_REQUEST_ID_BYTES);
    memcpy(id, said->id.data, TL_REQUEST_ID_BYTES);
    return true;
}

static bool put_columns(struct tl_event_maker *maker, const struct tl_request *request, const struct tl_request_said *said,
                        struct tl_buf *out, struct tl_request_event *event)
{
    event->host = lower_host(maker, request->host);
    event->ip = logged_ip(maker, request->ip);
    event->user_agent = said->user_agent;
    if (!make_id(maker, said, event->id))
        return false;
    tl_buf_put_sv(out, TL_SV("{\"event_id\":\""));
    tl_buf_put(out, event->id, sizeof event->id);
    tl_buf_put_sv(out, TL_SV("\",\"url\":"));
    if (!put_url(maker, request->target, out))
        return false;
    tl_buf_put_sv(out, TL_SV(",\"method\":"));
    put_text(out, request->method);
    tl_buf_put_sv(out, TL_SV(",\"referrer\":"));
    if (!put_url(maker, said->referrer, out))
        return false;
    tl_buf_put_sv(out, TL_SV(",\"user_agent\":"));
    if (!put_user_agent(maker, event->user_agent, out))
        return false;
    tl_buf_put_sv(out, TL_SV(",\"headers\":"));
    if (!put_headers(maker, request, out))
        return false;
    tl_buf_put_sv(out, TL_SV(",\"host\":"));
    put_text(out, event->host);
    tl_buf_put_sv(out, TL_SV(",\"ip\":"));
    put_text(out, event->ip);
    put_time(out, request->time_ms);
    return true;
}

bool tl_request_event_begin(struct tl_event_maker *maker, const struct tl_request *request, struct tl_buf *out,
                            struct tl_request_event *event)
{
    const struct tl_request_said said = {.now_ms = request->time_ms,
                                         .referrer = header_of(request, TL_SV("referer")),
                                         .user_agent = header_of(request, TL_SV("user-agent"))};
    const size_t size_before = out->size;

    if (put_columns(maker, request, &said, out, event) && !out->failed)
        return true;
    out->size = size_before;
    return false;
}

bool tl_request_event_begin_said(struct tl_event_maker *maker, const struct tl_request *request,
                                 const struct tl_request_said *said, struct tl_buf *out, struct tl_request_event *event)
{
    const size_t size_before = out->size;
    bool ok = put_columns(maker, request, said, out, event);

    tl_buf_put_sv(out, TL_SV(",\"name\":"));
    put_text(out, said->name);
    tl_buf_put_sv(out, TL_SV(",\"props\":"));
    put_text(out, said->props);
    if (ok && !out->failed)
        return true;
    out->size = size_before;
    return false;
}

static void put_known(struct tl_buf *out, bool known, int64_t number)
{
    if (known)
        tl_buf_put_decimal(out, (uint64_t)number);
    else
        tl_buf_put_sv(out, TL_SV("null"));
}

void tl_request_event_end(struct tl_buf *out, const struct tl_request_answer *answer)
{
    tl_buf_put_sv(out, TL_SV(",\"status\":"));
    put_known(out, answer->status > 0, answer->status);
    tl_buf_put_sv(out, TL_SV(",\"duration_ms\":"));
    put_known(out, answer->duration_ms >= 0, answer->duration_ms);
    tl_buf_put_sv(out, TL_SV(",\"bytes\":"));
    put_known(out, answer->bytes >= 0, answer->bytes);
    tl_buf_put_sv(out, TL_SV("}"));
}
