/* client.c: who sent a request. See client.h. */
#include "speed_layer/client.h"

#include <stdlib.h>
#include <string.h>

enum { NETWORKS_OF_A_WORD = 6, HOST_BYTES_MAX = 261 /* 253, a port, brackets */ };

static const struct tl_sv forwarded_for = {"x-forwarded-for", 15}, forwarded_proto = {"x-forwarded-proto", 17},
                          forwarded_host = {"x-forwarded-host", 16}, real_ip = {"x-real-ip", 9}, forwarded = {"forwarded", 9};

/* --- trust ---------------------------------------------------------------------------------------------------------------- */

struct tl_trust {
    bool unix_sockets;
    size_t networks_count;
    struct tl_network networks[TL_OPTION_LIST_MAX * NETWORKS_OF_A_WORD];
};

static const struct {
    const char *word;
    const char *networks[NETWORKS_OF_A_WORD];
} words[] = {
    {"loopback", {"127.0.0.0/8", "::1"}                                                                      },
    {"private",  {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"}},
    {"unix",     {NULL}                                                                                      },
};

static enum tl_code trust_add(struct tl_trust *trust, const char *text, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t w = 0; w < TL_COUNT(words); w++) {
        if (strcmp(text, words[w].word) != 0)
            continue;
        trust->unix_sockets |= words[w].networks[0] == NULL;
        for (size_t i = 0; i < NETWORKS_OF_A_WORD && words[w].networks[i] != NULL; i++)
            TL_TRY(tl_network_parse(tl_sv_from(words[w].networks[i]), &trust->networks[trust->networks_count++], err));
        return TL_OK;
    }
    TL_TRY(tl_network_parse(tl_sv_from(text), &trust->networks[trust->networks_count], err));
    trust->networks_count++;
out:
    return rc;
}

enum tl_code tl_trust_open(const struct tl_option_list *list, struct tl_trust **out, struct tl_err *err)
{
    struct tl_trust *trust = calloc(1, sizeof *trust);
    enum tl_code rc = TL_OK;

    if (trust == NULL)
        return tl_fail_memory(err, sizeof *trust);
    for (size_t i = 0; i < list->count; i++)
        TL_TRY(trust_add(trust, list->items[i], err));
    *out = trust;
out:
    if (rc != TL_OK)
        tl_trust_close(trust);
    return rc;
}

void tl_trust_close(struct tl_trust *trust)
{
    free(trust);
}

bool tl_trust_has(const struct tl_trust *trust, const struct tl_endpoint *address)
{
    if (!address->known)
        return trust->unix_sockets;
    for (size_t i = 0; i < trust->networks_count; i++)
        if (tl_network_has(&trust->networks[i], address))
            return true;
    return false;
}

/* --- lists ---------------------------------------------------------------------------------------------------------------- */

/* Walks the items of all lines of a header from the last to the first. */
struct walk {
    const struct tl_http1_head *head;
    struct tl_sv name;
    size_t line;       /* the next to look at is the one before it */
    struct tl_sv rest; /* of the line at hand: what is before the items that were given */
    bool open;         /* there is one at hand */
    bool quotes;       /* a comma in quotes is none */
};

static struct walk walk_of(const struct tl_http1_head *head, struct tl_sv name, bool quotes)
{
    return (struct walk){.head = head, .name = name, .line = head->headers_count, .quotes = quotes};
}

static bool is_escaped(struct tl_sv text, size_t at)
{
    size_t slashes = 0;

    while (slashes < at && text.data[at - 1 - slashes] == '\\')
        slashes++;
    return slashes % 2 != 0;
}

/* Read from its end, a list has its items where the last proxies have put them, whatever those before them have left open. */
static bool walk_back(struct walk *walk, struct tl_sv *item)
{
    struct tl_sv rest;
    size_t from;
    bool quoted = false;

    while (!walk->open) {
        if (walk->line == 0)
            return false;
        walk->line--;
        walk->open = tl_sv_eq_nocase(walk->head->headers[walk->line].name, walk->name);
        walk->rest = walk->head->headers[walk->line].value;
    }
    rest = walk->rest;
    for (from = rest.size; from > 0; from--) {
        const char c = rest.data[from - 1];

        if (c == ',' && !quoted)
            break;
        quoted ^= walk->quotes && c == '"' && !is_escaped(rest, from - 1);
    }
    walk->open = from > 0;
    walk->rest.size = from > 0 ? from - 1 : 0;
    *item = tl_sv_trim((struct tl_sv){rest.data + from, rest.size - from});
    return true;
}

/* The item that is `steps` from the right, or the first where there are fewer; empty: there are none. */
static struct tl_sv item_at(const struct tl_http1_head *head, struct tl_sv name, size_t steps)
{
    struct walk walk = walk_of(head, name, false);
    struct tl_sv item = {NULL, 0};

    while (steps-- > 0 && walk_back(&walk, &item)) {}
    return item;
}

/* --- one hop -------------------------------------------------------------------------------------------------------------- */

struct hop {
    struct tl_sv node, proto, host; /* empty: not said */
};

/* Behind `at`, outside of quotes. */
static size_t find_semicolon(struct tl_sv text, size_t at)
{
    bool quoted = false;

    for (; at < text.size; at++) {
        if (text.data[at] == ';' && !quoted)
            break;
        quoted ^= text.data[at] == '"' && !is_escaped(text, at);
    }
    return at;
}

/* What has escapes in it is none of what is looked for. */
static struct tl_sv unquoted(struct tl_sv text)
{
    if (text.size < 2 || text.data[0] != '"' || text.data[text.size - 1] != '"')
        return text;
    text = (struct tl_sv){text.data + 1, text.size - 2};
    return text.size == 0 || memchr(text.data, '\\', text.size) != NULL ? (struct tl_sv){NULL, 0} : text;
}

/* for="[2001:db8::1]:4711";proto=https;host=x.com */
static struct hop hop_read(struct tl_sv element)
{
    struct hop hop = {
        .node = {NULL, 0}
    };

    for (size_t at = 0, end; at < element.size; at = end + 1) {
        struct tl_sv value, name;

        end = find_semicolon(element, at);
        value = (struct tl_sv){element.data + at, end - at};
        name = tl_sv_trim(tl_sv_cut(&value, '='));
        value = unquoted(tl_sv_trim(value));
        if (tl_sv_eq_nocase(name, TL_SV("for")))
            hop.node = value;
        else if (tl_sv_eq_nocase(name, TL_SV("proto")))
            hop.proto = value;
        else if (tl_sv_eq_nocase(name, TL_SV("host")))
            hop.host = value;
    }
    return hop;
}

bool tl_client_is_host(struct tl_sv text)
{
    if (text.size == 0 || text.size > HOST_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        const char c = text.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) && (c == '\0' || !strchr("-._:[]", c)))
            return false;
    }
    return true;
}

static void take_proto(struct tl_sv proto, struct tl_client *out)
{
    if (tl_sv_eq_nocase(proto, TL_SV("https")) || tl_sv_eq_nocase(proto, TL_SV("wss")))
        out->https = true;
    else if (tl_sv_eq_nocase(proto, TL_SV("http")) || tl_sv_eq_nocase(proto, TL_SV("ws")))
        out->https = false;
}

static void take_host(struct tl_sv host, struct tl_client *out)
{
    if (tl_client_is_host(host))
        out->host = host;
}

/* --- the client ----------------------------------------------------------------------------------------------------------- */

static bool has_header(const struct tl_http1_head *head, struct tl_sv name)
{
    return tl_http1_find(head, name) != NULL;
}

/* From the peer back to whoever is trusted no more. */
static void look_back(const struct tl_trust *trust, const struct tl_http1_head *head, struct tl_client *out)
{
    const bool by_forwarded = !has_header(head, forwarded_for) && has_header(head, forwarded);
    struct walk walk = walk_of(head, by_forwarded ? forwarded : forwarded_for, by_forwarded);
    struct tl_endpoint from;
    struct tl_sv item;
    size_t steps = 0;
    bool trusted = true;

    while (trusted && walk_back(&walk, &item)) {
        struct hop hop = by_forwarded ? hop_read(item) : (struct hop){.node = item};

        steps++;
        take_proto(hop.proto, out);
        take_host(hop.host, out);
        trusted = tl_endpoint_parse(hop.node, &from);
        if (trusted) {
            (void)tl_endpoint_text(&from, out->ip);
            trusted = tl_trust_has(trust, &from);
        }
    }
    if (by_forwarded)
        return;
    take_proto(item_at(head, forwarded_proto, steps > 0 ? steps : 1), out);
    take_host(item_at(head, forwarded_host, steps > 0 ? steps : 1), out);
}

void tl_client_of(const struct tl_trust *trust, const struct tl_endpoint *peer, bool peer_trusted, bool tls,
                  const struct tl_http1_head *head, struct tl_client *out)
{
    (void)tl_endpoint_text(peer, out->ip);
    out->https = tls;
    out->host = head->host;
    if (peer_trusted)
        look_back(trust, head, out);
}

/* --- what the site is told ------------------------------------------------------------------------------------------------ */

static bool is_one_of(struct tl_sv name, const struct tl_sv *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (names[i].size == name.size && tl_sv_eq_nocase(names[i], name))
            return true;
    return false;
}

bool tl_client_is_forwarded_header(struct tl_sv name)
{
    const struct tl_sv names[] = {forwarded_for, forwarded_proto, forwarded_host, real_ip, forwarded};

    return is_one_of(name, names, TL_COUNT(names));
}

bool tl_client_is_claim(struct tl_sv name)
{
    static const struct tl_sv names[] = {
        {"cf-connecting-ip",         16},
        {"client-ip",                9 },
        {"fastly-client-ip",         16},
        {"forwarded-for",            13},
        {"front-end-https",          15},
        {"true-client-ip",           14},
        {"x-client-ip",              11},
        {"x-cluster-client-ip",      19},
        {"x-forwarded",              11},
        {"x-forwarded-client-cert",  23},
        {"x-forwarded-port",         16},
        {"x-forwarded-prefix",       18},
        {"x-forwarded-protocol",     20},
        {"x-forwarded-scheme",       18},
        {"x-forwarded-server",       18},
        {"x-forwarded-ssl",          15},
        {"x-original-forwarded-for", 24},
        {"x-original-host",          15},
        {"x-remote-addr",            13},
        {"x-remote-ip",              11},
        {"x-url-scheme",             12},
    };

    return is_one_of(name, names, TL_COUNT(names));
}

static void put_line(struct tl_buf *out, const char *name, struct tl_sv value)
{
    tl_buf_put_str(out, name);
    tl_buf_put_sv(out, value);
    tl_buf_put_sv(out, TL_SV("\r\n"));
}

/* All lines of that name, as one list. */
static void put_all(const struct tl_http1_head *head, struct tl_sv name, struct tl_buf *out)
{
    const size_t begin = out->size;

    for (size_t h = 0; h < head->headers_count; h++) {
        if (!tl_sv_eq_nocase(head->headers[h].name, name) || head->headers[h].value.size == 0)
            continue;
        if (out->size > begin)
            tl_buf_put_sv(out, TL_SV(", "));
        tl_buf_put_sv(out, head->headers[h].value);
    }
}

/* for=192.0.2.60, for="[2001:db8::1]", for=unknown */
static void put_node(struct tl_sv ip, struct tl_buf *out)
{
    const bool v6 = ip.size > 0 && memchr(ip.data, ':', ip.size) != NULL;

    tl_buf_put_sv(out, v6 ? TL_SV("for=\"[") : TL_SV("for="));
    tl_buf_put_sv(out, ip.size == 0 ? TL_SV("unknown") : ip);
    if (v6)
        tl_buf_put_sv(out, TL_SV("]\""));
}

static void put_seen(struct tl_sv host, bool https, struct tl_buf *out)
{
    if (tl_client_is_host(host)) {
        tl_buf_put_sv(out, TL_SV(";host=\""));
        tl_buf_put_sv(out, host);
        tl_buf_put_sv(out, TL_SV("\""));
    }
    tl_buf_put_sv(out, https ? TL_SV(";proto=https") : TL_SV(";proto=http"));
}

static void put_forwarded_for(const struct tl_http1_head *head, const struct tl_client *client, bool peer_trusted,
                              struct tl_sv peer, struct tl_buf *out)
{
    const size_t line = out->size;
    size_t begin;

    tl_buf_put_sv(out, TL_SV("X-Forwarded-For: "));
    begin = out->size;
    if (peer_trusted)
        put_all(head, forwarded_for, out);
    if (out->size == begin && !tl_sv_eq(tl_sv_from(client->ip), peer))
        tl_buf_put_str(out, client->ip); /* Forwarded has said it */
    if (out->size > begin && peer.size > 0)
        tl_buf_put_sv(out, TL_SV(", "));
    tl_buf_put_sv(out, peer);
    if (out->size == begin)
        out->size = line;
    else
        tl_buf_put_sv(out, TL_SV("\r\n"));
}

/* Of a peer that speaks Forwarded, and no X-Forwarded-For, the list as it is; else the client and the peer. */
static void put_forwarded(const struct tl_http1_head *head, const struct tl_client *client, bool peer_trusted, struct tl_sv peer,
                          bool tls, struct tl_buf *out)
{
    const bool goes_on = peer_trusted && !has_header(head, forwarded_for) && has_header(head, forwarded);

    tl_buf_put_sv(out, TL_SV("Forwarded: "));
    if (goes_on) {
        put_all(head, forwarded, out);
    } else {
        put_node(tl_sv_from(client->ip), out);
        put_seen(client->host, client->https, out);
    }
    if (goes_on || !tl_sv_eq(tl_sv_from(client->ip), peer)) {
        tl_buf_put_sv(out, TL_SV(", "));
        put_node(peer, out);
        put_seen(head->host, tls, out);
    }
    tl_buf_put_sv(out, TL_SV("\r\n"));
}

void tl_client_put_forwarded(const struct tl_trust *trust, const struct tl_endpoint *peer, bool peer_trusted, bool tls,
                             const struct tl_http1_head *head, struct tl_buf *out)
{
    struct tl_client client;
    char text[TL_ENDPOINT_TEXT_BYTES];
    struct tl_sv peer_text = tl_sv_from(tl_endpoint_text(peer, text));

    tl_client_of(trust, peer, peer_trusted, tls, head, &client);
    put_forwarded_for(head, &client, peer_trusted, peer_text, out);
    put_line(out, "X-Forwarded-Proto: ", client.https ? TL_SV("https") : TL_SV("http"));
    if (client.host.size > 0)
        put_line(out, "X-Forwarded-Host: ", client.host);
    if (client.ip[0] != '\0')
        put_line(out, "X-Real-IP: ", tl_sv_from(client.ip));
    put_forwarded(head, &client, peer_trusted, peer_text, tls, out);
}
