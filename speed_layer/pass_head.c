/* pass_head.c: heads of messages as they are passed on. See pass_head.h. */
#include "speed_layer/pass_head.h"

#include <inttypes.h>
#include <string.h>

#include "speed_layer/client.h"

enum { NAME_BYTES_MAX = 32 }; /* of a header that says something of the client */

static const struct tl_sv hops[] = {
    {"te",                2 },
    {"host",              4 }, /* written first */
    {"proxy",             5 },
    {"expect",            6 }, /* written where it is understood */
    {"trailer",           7 },
    {"upgrade",           7 },
    {"connection",        10},
    {"keep-alive",        10},
    {"content-length",    14},
    {"proxy-connection",  16},
    {"transfer-encoding", 17},
};

/* A header of one connection alone, or one that is written anew. */
static bool is_hop(struct tl_sv name, bool answer)
{
    if (name.size > 17)
        return false;
    for (size_t h = 0; h < TL_COUNT(hops); h++) {
        if (hops[h].size != name.size || (hops[h].data[0] ^ name.data[0]) & ~0x20 || !tl_sv_eq_nocase(hops[h], name))
            continue;
        return !answer || (name.size != 4 && name.size != 5 && name.size != 6);
    }
    return false;
}

/* What only a proxy may say of the client. Programs that take headers for variables read "_" and "-" as one: so do we. */
static bool is_claim(struct tl_sv name, bool trusted)
{
    char dashes[NAME_BYTES_MAX];

    if (name.size > sizeof dashes)
        return false;
    if (memchr(name.data, '_', name.size) != NULL) {
        for (size_t i = 0; i < name.size; i++)
            dashes[i] = name.data[i] == '_' ? '-' : name.data[i];
        name.data = dashes;
    }
    return tl_client_is_forwarded_header(name) || (!trusted && tl_client_is_claim(name));
}

static void put_line(struct tl_buf *out, struct tl_sv name, struct tl_sv value)
{
    size_t size = name.size + value.size + 4;
    char *at = tl_buf_reserve(out, size);

    if (at == NULL)
        return;
    memcpy(at, name.data, name.size);
    at += name.size;
    *at++ = ':';
    *at++ = ' ';
    memcpy(at, value.data, value.size);
    at += value.size;
    *at++ = '\r';
    *at = '\n';
    out->size += size;
}

static void put_length(struct tl_buf *out, uint64_t length)
{
    tl_buf_printf(out, "Content-Length: %" PRIu64 "\r\n", length);
}

static void put_framing(struct tl_buf *out, enum tl_http1_framing framing, uint64_t length)
{
    if (framing == TL_HTTP1_LENGTH)
        put_length(out, length);
    else if (framing == TL_HTTP1_CHUNKED)
        tl_buf_put_sv(out, TL_SV("Transfer-Encoding: chunked\r\n"));
}

void tl_pass_request(struct tl_buf *out, const struct tl_http1_head *head, const char *authority, bool trusted)
{
    tl_buf_put_sv(out, head->method);
    tl_buf_put_u8(out, ' ');
    tl_buf_put_sv(out, head->target);
    tl_buf_put_sv(out, TL_SV(" HTTP/1.1\r\n"));
    put_line(out, TL_SV("Host"), head->host.size > 0 ? head->host : tl_sv_from(authority));
    for (size_t h = 0; h < head->headers_count; h++) {
        const struct tl_http1_header *header = &head->headers[h];

        if (!is_hop(header->name, false) && !is_claim(header->name, trusted))
            put_line(out, header->name, header->value);
    }
    put_framing(out, head->framing, head->content_length);
    if (head->expect_continue && head->minor == 1)
        tl_buf_put_sv(out, TL_SV("Expect: 100-continue\r\n"));
    if (head->upgrade_websocket)
        tl_buf_put_sv(out, TL_SV("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
}

enum tl_http1_framing tl_pass_framing(const struct tl_http1_head *head, unsigned minor)
{
    if (head->framing == TL_HTTP1_NO_BODY || head->framing == TL_HTTP1_LENGTH)
        return head->framing;
    return minor == 0 ? TL_HTTP1_UNTIL_CLOSE : TL_HTTP1_CHUNKED;
}

static void put_connection(struct tl_buf *out, const struct tl_pass_answer *how)
{
    if (how->websocket)
        tl_buf_put_sv(out, TL_SV("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    else if (!how->keep_alive)
        tl_buf_put_sv(out, TL_SV("Connection: close\r\n"));
    else if (how->minor == 0)
        tl_buf_put_sv(out, TL_SV("Connection: keep-alive\r\n"));
}

static void put_status(struct tl_buf *out, int status, struct tl_sv reason)
{
    const char digits[4] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10), (char)('0' + status % 10), ' '};

    tl_buf_put_sv(out, TL_SV("HTTP/1.1 "));
    tl_buf_put(out, digits, sizeof digits);
    tl_buf_put_sv(out, reason);
    tl_buf_put_sv(out, TL_SV("\r\n"));
}

void tl_pass_answer(struct tl_buf *out, const struct tl_http1_head *head, const struct tl_pass_answer *how)
{
    put_status(out, head->status, head->reason);
    for (size_t h = 0; h < head->headers_count; h++)
        if (!is_hop(head->headers[h].name, true))
            put_line(out, head->headers[h].name, head->headers[h].value);
    if (head->framing != TL_HTTP1_NO_BODY)
        put_framing(out, tl_pass_framing(head, how->minor), head->content_length);
    else if ((how->head || head->status == 304) && head->content_length != UINT64_MAX)
        put_length(out, head->content_length);
    else if (!how->head && head->status >= 200 && head->status != 204 && head->status != 304)
        put_length(out, 0);
    if (head->status >= 200 || how->websocket)
        put_connection(out, how);
    tl_buf_put_sv(out, TL_SV("\r\n"));
}

const char *tl_pass_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"                             },
        {204, "No Content"                     },
        {400, "Bad Request"                    },
        {401, "Unauthorized"                   },
        {403, "Forbidden"                      },
        {404, "Not Found"                      },
        {405, "Method Not Allowed"             },
        {408, "Request Timeout"                },
        {413, "Content Too Large"              },
        {414, "URI Too Long"                   },
        {415, "Unsupported Media Type"         },
        {421, "Misdirected Request"            },
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"          },
        {501, "Not Implemented"                },
        {502, "Bad Gateway"                    },
        {503, "Service Unavailable"            },
        {504, "Gateway Timeout"                },
        {505, "HTTP Version Not Supported"     },
    };

    for (size_t t = 0; t < TL_COUNT(texts); t++)
        if (texts[t].status == status)
            return texts[t].text;
    return "Error";
}

void tl_pass_own(struct tl_buf *out, int status, struct tl_sv lines, struct tl_sv body, const struct tl_pass_answer *how)
{
    put_status(out, status, tl_sv_from(tl_pass_status_text(status)));
    tl_buf_put_sv(out, lines);
    if (status != 204)
        put_length(out, body.size);
    put_connection(out, how);
    tl_buf_put_sv(out, TL_SV("\r\n"));
    if (!how->head)
        tl_buf_put_sv(out, body);
}

void tl_pass_page(struct tl_buf *out, int status, const char *sentence, const struct tl_pass_answer *how)
{
    static const char page[] = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%d %s</title></head>\n"
                               "<body><h1>%s</h1><p>%s</p></body></html>\n";
    const char *text = tl_pass_status_text(status);
    struct tl_buf lines, body;

    tl_buf_init(&lines, 0);
    tl_buf_init(&body, 0);
    tl_buf_put_sv(&lines, TL_SV("Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n"
                                "X-Content-Type-Options: nosniff\r\n"));
    if (status == 405)
        tl_buf_put_sv(&lines, TL_SV("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"));
    tl_buf_printf(&body, page, status, text, text, sentence);
    tl_pass_own(out, status, tl_buf_sv(&lines), tl_buf_sv(&body), how);
    out->failed = out->failed || lines.failed || body.failed;
    tl_buf_done(&lines);
    tl_buf_done(&body);
}
