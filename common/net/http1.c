/* http1.c: an HTTP/1.1 connection as messages. See http1.h.
 *
 * llhttp reads every byte of a head and of the framing of chunks, and says where the names of headers lie. What a head is made of is then read out of
 * the bytes themselves, and anything but the one plain form is refused: one space here, CRLF there, a value on one line. How long the body is must
 * come out the same for both. Bodies with a length and bodies until close never pass llhttp.
 *
 * Whatever is refused is refused at the same byte, however the bytes came: llhttp stops where it stops, our own rules are asked when the head is
 * complete, and what frames chunks is followed byte by byte. */
#include "net/http1.h"

#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

#include "net/endpoint.h"

/* Of a line that frames chunks: its size with extensions, or a trailer. */
enum { FRAMING_LINE_BYTES_MAX = 4096 };

enum phase { PHASE_HEAD, PHASE_BODY, PHASE_ENDED, PHASE_BAD };

/* Where a header's name lies, from the message's first byte. */
struct name_place {
    uint32_t at, size;
};

struct tl_http1 {
    llhttp_t llhttp;
    enum tl_http1_kind kind;
    size_t head_bytes_max;
    enum phase phase;
    int bad_status;
    const char *bad_reason;

    /* the head */
    const char *bytes; /* of this call */
    size_t fed;        /* what llhttp had, with the empty line before a request */
    size_t start;      /* where the message begins behind that */
    size_t names_count;
    bool in_name;
    bool answers_head, interim;

    /* the body */
    enum tl_http1_framing framing;
    uint64_t left; /* of TL_HTTP1_LENGTH */
    struct tl_sv piece;
    size_t framing_bytes, line_bytes; /* since the last payload; of this line */
    bool after_cr;

    struct name_place names[TL_HTTP1_HEADERS_MAX];
    struct tl_http1_header headers[TL_HTTP1_HEADERS_MAX];
};

/* What decides about the message, gathered while its headers are read. */
struct traits {
    size_t hosts, lengths, codings;
    struct tl_sv host;
    uint64_t length; /* UINT64_MAX: none */
    bool close, keep_alive, upgrade, websocket, expect_continue;
};

static enum tl_http1_result bad(struct tl_http1 *http, int status, const char *reason)
{
    http->phase = PHASE_BAD;
    http->bad_status = status;
    http->bad_reason = reason;
    return TL_HTTP1_BAD;
}

/* For where a check is one of several: false, and why. */
static bool refuse(struct tl_http1 *http, int status, const char *reason)
{
    bad(http, status, reason);
    return false;
}

/* ---- what llhttp calls ---- */

static int on_header_field(llhttp_t *llhttp, const char *at, size_t size)
{
    struct tl_http1 *http = llhttp->data;

    if (http->phase != PHASE_HEAD)
        return 0; /* a trailer */
    if (!http->in_name) {
        if (http->names_count == TL_HTTP1_HEADERS_MAX) {
            bad(http, 431, "too many headers");
            return HPE_USER;
        }
        http->names[http->names_count++] = (struct name_place){(uint32_t)(at - http->bytes), 0};
        http->in_name = true;
    }
    http->names[http->names_count - 1].size += (uint32_t)size;
    return 0;
}

static int on_header_field_complete(llhttp_t *llhttp)
{
    struct tl_http1 *http = llhttp->data;

    http->in_name = false;
    return 0;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t size)
{
    struct tl_http1 *http = llhttp->data;

    http->piece = (struct tl_sv){at, size};
    return size > 0 ? HPE_PAUSED : 0;
}

static int pause_here(llhttp_t *llhttp)
{
    (void)llhttp;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_headers_complete = pause_here,
    .on_body = on_body,
    .on_message_complete = pause_here,
};

/* ---- handles ---- */

enum tl_code tl_http1_open(enum tl_http1_kind kind, size_t head_bytes_max, struct tl_http1 **out, struct tl_err *err)
{
    struct tl_http1 *http;

    assert(head_bytes_max > 0 && head_bytes_max < UINT32_MAX);
    http = malloc(sizeof *http);
    if (http == NULL)
        return tl_fail_memory(err, sizeof *http);
    http->kind = kind;
    http->head_bytes_max = head_bytes_max;
    tl_http1_reset(http);
    *out = http;
    return TL_OK;
}

void tl_http1_close(struct tl_http1 *http)
{
    free(http);
}

static void begin_message(struct tl_http1 *http)
{
    llhttp_init(&http->llhttp, http->kind == TL_HTTP1_REQUEST ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    http->llhttp.data = http;
    http->phase = PHASE_HEAD;
    http->bad_status = 0;
    http->bad_reason = "";
    http->bytes = NULL;
    http->fed = http->start = http->names_count = 0;
    http->in_name = http->interim = false;
    http->framing = TL_HTTP1_NO_BODY;
    http->left = 0;
    http->piece = (struct tl_sv){NULL, 0};
    http->framing_bytes = http->line_bytes = 0;
    http->after_cr = false;
}

void tl_http1_reset(struct tl_http1 *http)
{
    begin_message(http);
    http->answers_head = false;
}

void tl_http1_next(struct tl_http1 *http)
{
    bool answers_head = http->answers_head && http->interim; /* 100 Continue: the answer proper is still to come */

    begin_message(http);
    http->answers_head = answers_head;
}

void tl_http1_answers_head(struct tl_http1 *http, bool head)
{
    http->answers_head = head;
}

int tl_http1_status(const struct tl_http1 *http)
{
    return http->bad_status;
}

const char *tl_http1_reason(const struct tl_http1 *http)
{
    return http->bad_reason;
}

/* ---- values ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static bool is_port(struct tl_sv text)
{
    unsigned port = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (!is_digit(text.data[i]))
            return false;
        port = port * 10 + (unsigned)(text.data[i] - '0');
        if (port > UINT16_MAX)
            return false;
    }
    return text.size > 0;
}

/* A name, an IPv4 or [IPv6], and maybe a port. RFC 3986 lets a name have more ("%", ";", "'"); no site is called so. */
static bool is_host(struct tl_sv text)
{
    struct tl_endpoint endpoint;
    size_t size = 0;

    if (text.size > 0 && text.data[0] == '[') {
        while (size < text.size && text.data[size] != ']')
            size++;
        if (size == text.size || !tl_endpoint_parse((struct tl_sv){text.data, ++size}, &endpoint))
            return false;
    } else {
        while (size < text.size && is_name_char(text.data[size]))
            size++;
    }
    if (size == 0 || size == text.size)
        return size > 0;
    return text.data[size] == ':' && is_port((struct tl_sv){text.data + size + 1, text.size - size - 1});
}

static bool to_length(struct tl_sv text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_digit(text.data[i]) || tl_mul_overflows(value, (uint64_t)10, &value) ||
            tl_add_overflows(value, (uint64_t)(text.data[i] - '0'), &value) || value > INT64_MAX)
            return false;
    }
    *out = value;
    return true;
}

static struct tl_sv trim_blanks(struct tl_sv text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
        text.size--;
    return text;
}

static bool has_token(struct tl_sv list, struct tl_sv token)
{
    while (list.size > 0)
        if (tl_sv_eq_nocase(trim_blanks(tl_sv_cut(&list, ',')), token))
            return true;
    return false;
}

/* ---- a head ---- */

static bool take_length(struct tl_http1 *http, struct tl_sv value, struct traits *traits)
{
    if (++traits->lengths > 1)
        return refuse(http, 400, "two Content-Length headers");
    return to_length(value, &traits->length) || refuse(http, 400, "Content-Length is no number of bytes");
}

static bool take_coding(struct tl_http1 *http, struct tl_sv value, struct traits *traits)
{
    if (++traits->codings > 1)
        return refuse(http, 400, "two Transfer-Encoding headers");
    return tl_sv_eq_nocase(value, TL_SV("chunked")) || refuse(http, 501, "a Transfer-Encoding other than chunked");
}

static bool take_host(struct tl_http1 *http, struct tl_sv value, struct traits *traits)
{
    if (http->kind == TL_HTTP1_RESPONSE)
        return true;
    if (++traits->hosts > 1)
        return refuse(http, 400, "two Host headers");
    traits->host = value;
    return true;
}

static void take_connection(struct tl_sv value, struct traits *traits)
{
    traits->close |= has_token(value, TL_SV("close"));
    traits->keep_alive |= has_token(value, TL_SV("keep-alive"));
    traits->upgrade |= has_token(value, TL_SV("upgrade"));
}

/* What is decided by headers; by their length first, for most are none of these. */
static bool take_header(struct tl_http1 *http, const struct tl_http1_header *header, struct traits *traits)
{
    struct tl_sv name = header->name, value = header->value;

    switch (name.size) {
    case sizeof "host" - 1: return !tl_sv_eq_nocase(name, TL_SV("host")) || take_host(http, value, traits);
    case sizeof "expect" - 1:
        if (tl_sv_eq_nocase(name, TL_SV("expect")))
            traits->expect_continue |= has_token(value, TL_SV("100-continue"));
        return true;
    case sizeof "upgrade" - 1:
        if (tl_sv_eq_nocase(name, TL_SV("upgrade")))
            traits->websocket |= has_token(value, TL_SV("websocket"));
        return true;
    case sizeof "connection" - 1:
        if (tl_sv_eq_nocase(name, TL_SV("connection")))
            take_connection(value, traits);
        return true;
    case sizeof "content-length" - 1:
        /* CGI and what descends from it write "_" for "-", and so take the one for the other. */
        if (tl_sv_eq_nocase(name, TL_SV("content_length")))
            return refuse(http, 400, "Content_Length, which reads like Content-Length to some");
        return !tl_sv_eq_nocase(name, TL_SV("content-length")) || take_length(http, value, traits);
    case sizeof "transfer-encoding" - 1:
        if (tl_sv_eq_nocase(name, TL_SV("transfer_encoding")))
            return refuse(http, 400, "Transfer_Encoding, which reads like Transfer-Encoding to some");
        return !tl_sv_eq_nocase(name, TL_SV("transfer-encoding")) || take_coding(http, value, traits);
    default: return true;
    }
}

/* The line from `from` up to where the next begins, without its CRLF; false: it does not end so, or is more than one. */
static bool one_line(const char *bytes, size_t from, size_t next, struct tl_sv *out)
{
    if (next < from + 2 || bytes[next - 2] != '\r' || bytes[next - 1] != '\n')
        return false;
    *out = (struct tl_sv){bytes + from, next - 2 - from};
    return memchr(out->data, '\n', out->size) == NULL;
}

static bool read_headers(struct tl_http1 *http, const char *bytes, size_t end, struct traits *traits)
{
    struct tl_sv line;

    for (size_t i = 0; i < http->names_count; i++) {
        struct name_place name = http->names[i];
        size_t next = i + 1 < http->names_count ? http->names[i + 1].at : end - 2;
        struct tl_http1_header *header = &http->headers[i];

        if (!one_line(bytes, name.at, next, &line))
            return refuse(http, 400, "a header that is folded, or whose line does not end with CRLF");
        if (name.size == 0) /* llhttp lets it pass */
            return refuse(http, 400, "a header without a name");
        if (line.size <= name.size || line.data[name.size] != ':')
            return refuse(http, 400, "a header without a colon behind its name");
        header->name = (struct tl_sv){line.data, name.size};
        header->value = trim_blanks((struct tl_sv){line.data + name.size + 1, line.size - name.size - 1});
        if (!take_header(http, header, traits))
            return false;
    }
    return true;
}

/* "HTTP/1.0" or "HTTP/1.1". */
static bool read_version(struct tl_http1 *http, struct tl_sv text, struct tl_http1_head *head)
{
    if (text.size != sizeof "HTTP/1.1" - 1 || !tl_sv_starts(text, TL_SV("HTTP/")))
        return refuse(http, 400, "a first line that does not end with HTTP/1.1");
    if (!tl_sv_starts(text, TL_SV("HTTP/1.")) || (text.data[7] != '0' && text.data[7] != '1'))
        return refuse(http, 505, "a version of HTTP other than 1.0 and 1.1");
    head->minor = (unsigned)(text.data[7] - '0');
    return true;
}

static bool read_request_line(struct tl_http1 *http, struct tl_sv line, struct tl_http1_head *head)
{
    struct tl_sv rest = line;

    head->method = tl_sv_cut(&rest, ' ');
    head->target = tl_sv_cut(&rest, ' ');
    if (!read_version(http, rest, head))
        return false;
    if (tl_sv_eq(head->method, TL_SV("CONNECT")))
        return refuse(http, 405, "CONNECT, which is for proxies of another kind");
    if (tl_sv_eq(head->target, TL_SV("*")))
        return tl_sv_eq(head->method, TL_SV("OPTIONS")) || refuse(http, 400, "the target *, which only OPTIONS has");
    if (!tl_sv_starts(head->target, TL_SV("/")))
        return refuse(http, 400, "a target that does not begin with /");
    if (memchr(head->target.data, '#', head->target.size) != NULL)
        return refuse(http, 400, "a target with a fragment (#)");
    return true;
}

static bool read_status_line(struct tl_http1 *http, struct tl_sv line, struct tl_http1_head *head)
{
    struct tl_sv rest = line, version = tl_sv_cut(&rest, ' '), status = tl_sv_cut(&rest, ' ');

    if (!read_version(http, version, head))
        return false;
    if (status.size != 3 || !is_digit(status.data[0]) || !is_digit(status.data[1]) || !is_digit(status.data[2]) ||
        status.data[0] == '0')
        return refuse(http, 400, "a status that is no number from 100 to 999");
    for (size_t i = 0; i < rest.size; i++)
        if (((unsigned char)rest.data[i] < ' ' && rest.data[i] != '\t') || rest.data[i] == 0x7f)
            return refuse(http, 400, "a control character in the reason phrase");
    head->status = (status.data[0] - '0') * 100 + (status.data[1] - '0') * 10 + (status.data[2] - '0');
    head->reason = rest;
    return true;
}

static bool check_host(struct tl_http1 *http, struct tl_http1_head *head, const struct traits *traits)
{
    head->host = traits->host;
    if (traits->hosts == 0)
        return head->minor == 0 || refuse(http, 400, "no Host header");
    if (traits->host.size == 0)
        return head->minor == 0 || refuse(http, 400, "an empty Host header");
    return is_host(traits->host) || refuse(http, 400, "a Host header that is no name or address with at most a port");
}

/* A response that has no body whatever its headers say. */
static bool is_bodiless(const struct tl_http1 *http, int status)
{
    return http->answers_head || status < 200 || status == 204 || status == 304;
}

static bool decide_framing(struct tl_http1 *http, struct tl_http1_head *head, const struct traits *traits)
{
    bool response = http->kind == TL_HTTP1_RESPONSE;

    if (traits->codings > 0 && traits->lengths > 0)
        return refuse(http, 400, "Content-Length beside Transfer-Encoding");
    if (traits->codings > 0 && head->minor == 0)
        return refuse(http, 400, "Transfer-Encoding in HTTP/1.0");
    if ((traits->codings > 0) != ((http->llhttp.flags & F_CHUNKED) != 0) ||
        (traits->lengths > 0) != ((http->llhttp.flags & F_CONTENT_LENGTH) != 0) ||
        (traits->lengths > 0 && traits->length != http->llhttp.content_length))
        return refuse(http, 400, "a length that could be read in two ways");
    head->content_length = traits->length;
    if (response && is_bodiless(http, head->status))
        head->framing = TL_HTTP1_NO_BODY;
    else if (traits->codings > 0)
        head->framing = TL_HTTP1_CHUNKED;
    else if (traits->lengths > 0)
        head->framing = TL_HTTP1_LENGTH;
    else
        head->framing = response ? TL_HTTP1_UNTIL_CLOSE : TL_HTTP1_NO_BODY;
    return true;
}

static void decide_connection(struct tl_http1 *http, struct tl_http1_head *head, const struct traits *traits)
{
    bool response = http->kind == TL_HTTP1_RESPONSE;
    bool states_body = traits->codings > 0 || (traits->lengths > 0 && traits->length > 0);

    head->keep_alive = !traits->close && (head->minor == 1 || traits->keep_alive) && head->framing != TL_HTTP1_UNTIL_CLOSE;
    /* These never have a body; where one is promised all the same, it may come, and must not be read as the next answer. */
    if (response && states_body && (head->status < 200 || head->status == 204))
        head->keep_alive = false;
    head->expect_continue = !response && head->minor == 1 && traits->expect_continue;
    head->upgrade_websocket = !response && head->minor == 1 && traits->upgrade && traits->websocket &&
                              head->framing == TL_HTTP1_NO_BODY && tl_sv_eq(head->method, TL_SV("GET"));
}

/* The head is bytes[start, end). */
static enum tl_http1_result complete_head(struct tl_http1 *http, const char *bytes, size_t end, struct tl_http1_head *out)
{
    size_t first = http->names_count > 0 ? http->names[0].at : end - 2;
    struct tl_http1_head head = {.headers = http->headers, .headers_count = http->names_count};
    struct traits traits = {.length = UINT64_MAX};
    struct tl_sv line;

    if (end < http->start + 4 || bytes[end - 2] != '\r' || bytes[end - 1] != '\n' || !one_line(bytes, http->start, first, &line))
        return bad(http, 400, "a line that does not end with CRLF");
    if (!(http->kind == TL_HTTP1_REQUEST ? read_request_line : read_status_line)(http, line, &head) ||
        !read_headers(http, bytes, end, &traits) || (http->kind == TL_HTTP1_REQUEST && !check_host(http, &head, &traits)) ||
        !decide_framing(http, &head, &traits))
        return TL_HTTP1_BAD;
    decide_connection(http, &head, &traits);
    http->phase = PHASE_BODY;
    http->framing = head.framing;
    http->left = head.framing == TL_HTTP1_LENGTH ? head.content_length : 0;
    http->interim = head.status >= 100 && head.status < 200;
    *out = head;
    return TL_HTTP1_DONE;
}

/* The byte that llhttp stopped at, or NUL. */
static char byte_at_error(const struct tl_http1 *http, struct tl_sv bytes)
{
    const char *at = llhttp_get_error_pos(&http->llhttp);

    return at != NULL && at >= bytes.data && at < bytes.data + bytes.size ? *at : '\0';
}

static enum tl_http1_result refused_by_llhttp(struct tl_http1 *http, struct tl_sv bytes)
{
    char at;

    if (http->phase == PHASE_BAD)
        return TL_HTTP1_BAD; /* a callback has said why */
    switch (llhttp_get_errno(&http->llhttp)) {
    case HPE_INVALID_METHOD:
        at = byte_at_error(http, bytes);
        return (at >= 'A' && at <= 'Z') || at == '-' ? bad(http, 501, "a method that is not known here")
                                                     : bad(http, 400, "a first line that does not begin with a method");
    case HPE_INVALID_URL: return bad(http, 400, "a target that does not begin with /, or has a byte that no URL has");
    case HPE_PAUSED_H2_UPGRADE: return bad(http, 505, "the preface of HTTP/2");
    case HPE_INVALID_VERSION:
        if (http->llhttp.http_major > 1 || (http->llhttp.http_major == 1 && http->llhttp.http_minor > 1))
            return bad(http, 505, "a version of HTTP other than 1.0 and 1.1");
        return bad(http, 400, "a first line that does not end with HTTP/1.1");
    default: return bad(http, 400, llhttp_get_error_reason(&http->llhttp));
    }
}

/* Skips the one empty line that may stand before a request (RFC 9112, 2.2). */
static enum tl_http1_result skip_empty_line(struct tl_http1 *http, struct tl_sv bytes)
{
    if (bytes.data[0] == '\r' && http->kind == TL_HTTP1_REQUEST) {
        if (bytes.size > 1 && bytes.data[1] != '\n')
            return bad(http, 400, "a line that does not end with CRLF");
        if (bytes.size < 3)
            return TL_HTTP1_MORE;
        http->start = http->fed = 2;
    }
    if (bytes.data[http->start] == '\r' || bytes.data[http->start] == '\n')
        return bad(http, 400, "empty lines before the first line");
    return TL_HTTP1_DONE;
}

static enum tl_http1_result too_large(struct tl_http1 *http, struct tl_sv bytes)
{
    if (http->kind == TL_HTTP1_REQUEST && memchr(bytes.data + http->start, '\n', bytes.size - http->start) == NULL)
        return bad(http, 414, "a target that is too long");
    return bad(http, 431, "a head that is too large");
}

enum tl_http1_result tl_http1_head(struct tl_http1 *http, struct tl_sv bytes, struct tl_http1_head *head, size_t *used)
{
    enum tl_http1_result result;
    llhttp_errno_t code;
    size_t end;

    assert(http->phase == PHASE_HEAD || http->phase == PHASE_BAD);
    if (http->phase == PHASE_BAD)
        return TL_HTTP1_BAD;
    if (bytes.size > http->head_bytes_max)
        bytes.size = http->head_bytes_max;
    if (bytes.size <= http->fed)
        return TL_HTTP1_MORE;
    if (http->fed == 0 && (result = skip_empty_line(http, bytes)) != TL_HTTP1_DONE)
        return result;
    http->bytes = bytes.data;
    code = llhttp_execute(&http->llhttp, bytes.data + http->fed, bytes.size - http->fed);
    http->fed = bytes.size;
    if (code == HPE_OK)
        return bytes.size == http->head_bytes_max ? too_large(http, bytes) : TL_HTTP1_MORE;
    if (code != HPE_PAUSED)
        return refused_by_llhttp(http, bytes);
    end = (size_t)(llhttp_get_error_pos(&http->llhttp) - bytes.data);
    result = complete_head(http, bytes.data, end, head);
    if (result == TL_HTTP1_DONE)
        *used = end;
    return result;
}

/* ---- a body ---- */

/* What is not payload in a chunked body. Among trailers llhttp lets lines be folded or end with LF alone, and names be empty; and it knows no limits. */
static bool follow_framing(struct tl_http1 *http, struct tl_sv bytes)
{
    http->framing_bytes += bytes.size;
    if (http->framing_bytes > http->head_bytes_max)
        return refuse(http, 400, "trailers or chunk extensions that are too large");
    for (size_t i = 0; i < bytes.size; i++) {
        bool lf = bytes.data[i] == '\n';

        if (http->after_cr != lf)
            return refuse(http, 400, "a line of a chunked body that does not end with CRLF");
        if (http->line_bytes == 0 && strchr(": \t", bytes.data[i]) != NULL)
            return refuse(http, 400, "a trailer that is folded, or has no name");
        http->after_cr = bytes.data[i] == '\r';
        http->line_bytes = lf ? 0 : http->line_bytes + 1;
        if (http->line_bytes > FRAMING_LINE_BYTES_MAX)
            return refuse(http, 400, "trailers or chunk extensions that are too large");
    }
    return true;
}

static enum tl_http1_result chunked_body(struct tl_http1 *http, struct tl_sv bytes, struct tl_sv *piece, size_t *used)
{
    llhttp_errno_t code;
    size_t taken = bytes.size;

    if (bytes.size == 0)
        return TL_HTTP1_MORE;
    http->piece = (struct tl_sv){bytes.data, 0};
    llhttp_resume(&http->llhttp);
    code = llhttp_execute(&http->llhttp, bytes.data, bytes.size);
    if (code == HPE_PAUSED)
        taken = (size_t)(llhttp_get_error_pos(&http->llhttp) - bytes.data);
    else if (code != HPE_OK)
        return bad(http, 400, llhttp_get_error_reason(&http->llhttp));
    /* llhttp pauses behind each piece, so it is the last that was taken. */
    if (!follow_framing(http, (struct tl_sv){bytes.data, taken - http->piece.size}))
        return TL_HTTP1_BAD;
    *used = taken;
    if (http->piece.size > 0) {
        *piece = http->piece;
        http->framing_bytes = http->line_bytes = 0;
        return TL_HTTP1_MORE;
    }
    if (code == HPE_OK)
        return TL_HTTP1_MORE;
    http->phase = PHASE_ENDED;
    return TL_HTTP1_DONE;
}

enum tl_http1_result tl_http1_body(struct tl_http1 *http, struct tl_sv bytes, struct tl_sv *piece, size_t *used)
{
    assert(http->phase != PHASE_HEAD);
    *piece = (struct tl_sv){bytes.data, 0};
    *used = 0;
    if (http->phase == PHASE_BAD)
        return TL_HTTP1_BAD;
    if (http->phase == PHASE_ENDED)
        return TL_HTTP1_DONE;
    switch (http->framing) {
    case TL_HTTP1_CHUNKED: return chunked_body(http, bytes, piece, used);
    case TL_HTTP1_UNTIL_CLOSE: piece->size = *used = bytes.size; return TL_HTTP1_MORE;
    case TL_HTTP1_LENGTH:
    case TL_HTTP1_NO_BODY: break;
    }
    piece->size = *used = bytes.size < http->left ? bytes.size : (size_t)http->left;
    http->left -= *used;
    if (http->left > 0)
        return TL_HTTP1_MORE;
    http->phase = PHASE_ENDED;
    return TL_HTTP1_DONE;
}

enum tl_http1_result tl_http1_eof(struct tl_http1 *http)
{
    switch (http->phase) {
    case PHASE_HEAD: return http->fed == 0 ? TL_HTTP1_DONE : bad(http, 400, "a connection that was closed within a head");
    case PHASE_BODY:
        if (http->framing == TL_HTTP1_UNTIL_CLOSE || (http->framing != TL_HTTP1_CHUNKED && http->left == 0)) {
            http->phase = PHASE_ENDED;
            return TL_HTTP1_DONE;
        }
        return bad(http, 400, "a connection that was closed within a body");
    case PHASE_ENDED: return TL_HTTP1_DONE;
    case PHASE_BAD: break;
    }
    return TL_HTTP1_BAD;
}

/* ---- headers ---- */

const struct tl_http1_header *tl_http1_find(const struct tl_http1_head *head, struct tl_sv name)
{
    for (size_t i = 0; i < head->headers_count; i++)
        if (tl_sv_eq_nocase(head->headers[i].name, name))
            return &head->headers[i];
    return NULL;
}

bool tl_http1_has_token(const struct tl_http1_head *head, struct tl_sv name, struct tl_sv token)
{
    for (size_t i = 0; i < head->headers_count; i++)
        if (tl_sv_eq_nocase(head->headers[i].name, name) && has_token(head->headers[i].value, token))
            return true;
    return false;
}
