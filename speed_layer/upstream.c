/* upstream.c: the sites that requests are passed on to. See upstream.h. */
#include "speed_layer/upstream.h"

#include <ctype.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "net/endpoint.h"
#include "net/tls.h"
#include "speed_layer/request_event.h"

enum { COMPLAINT_MS = 10000 };

struct tl_upstreams {
    struct tl_upstream *items;
    size_t count;
    SSL_CTX *tls;
};

/* ---- what was written ---- */

static enum tl_code bad_url(const char *text, struct tl_err *err)
{
    return tl_fail(err, TL_ERR_USAGE,
                   "--upstream %s: right would be http://HOST:PORT, https://HOST, or one of them for a host alone: "
                   "shop.example.com=http://HOST:PORT",
                   text);
}

/* Letters, digits, "-", "_" and "."; an address in brackets is left to whoever looks it up. */
static bool is_name(struct tl_sv text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!isalnum((unsigned char)text.data[i]) && (text.data[i] == '\0' || strchr("-_.", text.data[i]) == NULL))
            return false;
    return text.size > 0;
}

/* "[::1]:3000", "app.internal", "10.0.0.5:8080" -> host without brackets, port. */
static bool split_authority(struct tl_sv authority, struct tl_sv *host, struct tl_sv *port)
{
    const char *bracket = authority.size > 0 && authority.data[0] == '[' ? memchr(authority.data, ']', authority.size) : NULL;
    struct tl_sv rest;
    struct tl_endpoint address;
    int64_t number;

    if (bracket != NULL) {
        *host = (struct tl_sv){authority.data + 1, (size_t)(bracket - authority.data) - 1};
        rest = (struct tl_sv){bracket + 1, authority.size - host->size - 2};
        if (!tl_endpoint_parse((struct tl_sv){authority.data, host->size + 2}, &address))
            return false;
    } else {
        const char *colon = memchr(authority.data, ':', authority.size);

        *host = (struct tl_sv){authority.data, colon != NULL ? (size_t)(colon - authority.data) : authority.size};
        rest = (struct tl_sv){authority.data + host->size, authority.size - host->size};
        if (!is_name(*host))
            return false;
    }
    *port = (struct tl_sv){rest.data, 0};
    if (rest.size == 0)
        return true;
    *port = (struct tl_sv){rest.data + 1, rest.size - 1};
    return rest.data[0] == ':' && port->size > 0 && port->data[0] >= '0' && port->data[0] <= '9' &&
           tl_sv_to_i64(*port, &number) && number > 0 && number <= UINT16_MAX;
}

static char *copy(struct tl_sv text, bool lower)
{
    char *out = malloc(text.size + 1);

    if (out == NULL)
        return NULL;
    for (size_t i = 0; i < text.size; i++)
        out[i] = lower ? (char)tolower((unsigned char)text.data[i]) : text.data[i];
    out[text.size] = '\0';
    return out;
}

static enum tl_code parse(struct tl_upstream *upstream, const char *text, bool *https, struct tl_err *err)
{
    struct tl_sv url = tl_sv_from(text), host, port;
    const char *equals = strchr(text, '='), *scheme = strstr(text, "://");

    if (equals != NULL && scheme != NULL && equals < scheme) {
        struct tl_sv name = {text, (size_t)(equals - text)};
        char *lower = copy(name, true);

        if (lower == NULL)
            return tl_fail_memory(err, name.size);
        upstream->name = (struct tl_sv){lower, name.size};
        url = tl_sv_from(equals + 1);
        if (tl_sv_starts(name, TL_SV("*."))) {
            name.data += 2;
            name.size -= 2;
        }
        if (!is_name(name) || name.data[0] == '.' || name.data[name.size - 1] == '.')
            return bad_url(text, err);
    }
    *https = tl_sv_starts(url, TL_SV("https://"));
    if (!*https && !tl_sv_starts(url, TL_SV("http://")))
        return bad_url(text, err);
    url.data += *https ? 8 : 7;
    url.size -= *https ? 8 : 7;
    if (url.size > 0 && url.data[url.size - 1] == '/')
        url.size--;
    if (!split_authority(url, &host, &port))
        return bad_url(text, err);
    upstream->authority = copy(url, false);
    upstream->host = copy(host, false);
    upstream->port = copy(port.size > 0 ? port : *https ? TL_SV("443") : TL_SV("80"), false);
    if (upstream->authority == NULL || upstream->host == NULL || upstream->port == NULL)
        return tl_fail_memory(err, url.size);
    return TL_OK;
}

/* ---- addresses ---- */

static void look_up(struct tl_upstream *upstream)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *found;

    if (getaddrinfo(upstream->host, upstream->port, &hints, &found) != 0)
        return; /* the addresses of before are better than none */
    pthread_mutex_lock(&upstream->mutex);
    upstream->addresses_count = 0;
    for (const struct addrinfo *at = found; at != NULL && upstream->addresses_count < TL_UPSTREAM_ADDRESSES_MAX;
         at = at->ai_next) {
        struct tl_upstream_address *address = &upstream->addresses[upstream->addresses_count++];

        memcpy(&address->socket, at->ai_addr, at->ai_addrlen);
        address->size = at->ai_addrlen;
    }
    pthread_mutex_unlock(&upstream->mutex);
    freeaddrinfo(found);
}

bool tl_upstream_address(struct tl_upstream *upstream, size_t attempt, size_t *turn, struct tl_upstream_address *out)
{
    bool found;

    pthread_mutex_lock(&upstream->mutex);
    found = upstream->addresses_count > 0;
    if (found)
        *turn = attempt == 0 ? upstream->next++ : *turn + 1;
    if (found)
        *out = upstream->addresses[*turn % upstream->addresses_count];
    pthread_mutex_unlock(&upstream->mutex);
    return found;
}

size_t tl_upstream_addresses_count(struct tl_upstream *upstream)
{
    size_t count;

    pthread_mutex_lock(&upstream->mutex);
    count = upstream->addresses_count;
    pthread_mutex_unlock(&upstream->mutex);
    return count;
}

void tl_upstream_complain(struct tl_upstream *upstream, const char *why, int64_t now_ms)
{
    long long said_ms = atomic_load_explicit(&upstream->said_ms, memory_order_relaxed);

    if ((said_ms != 0 && now_ms - said_ms < COMPLAINT_MS) ||
        !atomic_compare_exchange_strong(&upstream->said_ms, &said_ms, now_ms))
        return;
    tl_diag_event(TL_WARN, "the site fails",
                  (const struct tl_diag_kv[]){
                      {"site", upstream->authority, 0},
                      {"why",  why,                 0}
    },
                  2);
}

void tl_upstreams_refresh(struct tl_upstreams *upstreams)
{
    for (size_t u = 0; u < upstreams->count; u++)
        look_up(&upstreams->items[u]);
}

/* ---- all of them ---- */

static enum tl_code check_names(const struct tl_upstreams *upstreams, struct tl_err *err)
{
    for (size_t u = 0; u < upstreams->count; u++)
        for (size_t other = 0; other < u; other++)
            if (tl_sv_eq(upstreams->items[u].name, upstreams->items[other].name))
                return tl_fail(err, TL_ERR_USAGE,
                               "--upstream: two of them are for %s%.*s; one would do, or HOST=URL for each host",
                               upstreams->items[u].name.size > 0 ? "" : "every host", TL_SV_ARG(upstreams->items[u].name));
    return TL_OK;
}

enum tl_code tl_upstreams_open(const struct tl_option_list *list, const char *ca, struct tl_upstreams **out, struct tl_err *err)
{
    struct tl_upstreams *upstreams = calloc(1, sizeof *upstreams);
    enum tl_code rc = TL_OK;

    if (upstreams == NULL)
        return tl_fail_memory(err, sizeof *upstreams);
    if (list->count == 0)
        TL_TRY(tl_fail(err, TL_ERR_USAGE,
                       "--upstream is missing: where requests are passed on to; http://127.0.0.1:3000 would be one"));
    upstreams->items = calloc(list->count, sizeof *upstreams->items);
    if (upstreams->items == NULL)
        TL_TRY(tl_fail_memory(err, list->count * sizeof *upstreams->items));
    for (size_t u = 0; u < list->count; u++) {
        struct tl_upstream *upstream = &upstreams->items[u];
        bool https;

        pthread_mutex_init(&upstream->mutex, NULL);
        upstream->number = (uint32_t)u;
        upstreams->count++;
        TL_TRY(parse(upstream, list->items[u], &https, err));
        if (https && upstreams->tls == NULL)
            TL_TRY(tl_tls_client_open(ca, &upstreams->tls, err));
        upstream->tls = https ? upstreams->tls : NULL;
        look_up(upstream);
    }
    TL_TRY(check_names(upstreams, err));
    *out = upstreams;
    upstreams = NULL;
out:
    tl_upstreams_close(upstreams);
    return rc;
}

void tl_upstreams_close(struct tl_upstreams *upstreams)
{
    if (upstreams == NULL)
        return;
    for (size_t u = 0; u < upstreams->count; u++) {
        struct tl_upstream *upstream = &upstreams->items[u];

        pthread_mutex_destroy(&upstream->mutex);
        free((char *)(uintptr_t)upstream->name.data);
        free(upstream->host);
        free(upstream->authority);
        free(upstream->port);
    }
    free(upstreams->items);
    tl_tls_close(upstreams->tls);
    free(upstreams);
}

size_t tl_upstreams_count(const struct tl_upstreams *upstreams)
{
    return upstreams->count;
}

static bool covers(struct tl_sv name, struct tl_sv host)
{
    struct tl_sv end;

    if (name.size < 2 || name.data[0] != '*' || host.size < name.size)
        return false;
    end = (struct tl_sv){host.data + host.size - (name.size - 1), name.size - 1};
    return tl_sv_eq_nocase(end, (struct tl_sv){name.data + 1, name.size - 1});
}

/* The exact name before the longest "*.", before the one for all. */
struct tl_upstream *tl_upstreams_find(struct tl_upstreams *upstreams, struct tl_sv host)
{
    struct tl_upstream *best = NULL;

    host = tl_request_host(host);
    for (size_t u = 0; u < upstreams->count; u++) {
        struct tl_upstream *upstream = &upstreams->items[u];

        if (upstream->name.size > 0 && tl_sv_eq_nocase(upstream->name, host))
            return upstream;
        if ((upstream->name.size == 0 || covers(upstream->name, host)) && (best == NULL || upstream->name.size > best->name.size))
            best = upstream;
    }
    return best;
}
