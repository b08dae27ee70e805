/* wire.c: one end of a connection. See wire.h. */
#include "support/wire.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include "support/http_get.h"

enum { IN_BYTES = 65536, NOISE_BYTES = 40000 };

/* ---- open and closed ---- */

static void begin(struct wire *wire, int fd)
{
    const struct timeval patience = {.tv_sec = WIRE_PATIENCE_MS / 1000};
    int on = 1;

    signal(SIGPIPE, SIG_IGN); /* OpenSSL's writes */
    *wire = (struct wire){.fd = fd, .in = malloc(IN_BYTES)};
    if (wire->in == NULL)
        abort();
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void wire_open(struct wire *wire, uint16_t port)
{
    int fd = http_connect(port);

    cr_assert_geq(fd, 0, "nobody listens on port %u", (unsigned)port);
    begin(wire, fd);
}

bool wire_shake(struct wire *wire, const char *ca, const char *name)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    cr_assert_not_null(context);
    cr_assert_eq(SSL_CTX_load_verify_locations(context, ca, NULL), 1, "%s", ca);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    wire->ssl = SSL_new(context);
    SSL_CTX_free(context);
    cr_assert_not_null(wire->ssl);
    SSL_set1_host(wire->ssl, name);
    SSL_set_tlsext_host_name(wire->ssl, (char *)(uintptr_t)name);
    SSL_set_fd(wire->ssl, wire->fd);
    return SSL_connect(wire->ssl) == 1;
}

bool wire_open_tls(struct wire *wire, uint16_t port, const char *ca, const char *name)
{
    wire_open(wire, port);
    return wire_shake(wire, ca, name);
}

bool wire_accept(struct wire *wire, int fd, SSL_CTX *tls)
{
    begin(wire, fd);
    if (tls == NULL)
        return true;
    wire->ssl = SSL_new(tls);
    if (wire->ssl == NULL)
        return false;
    SSL_set_fd(wire->ssl, fd);
    return SSL_accept(wire->ssl) == 1;
}

void wire_close(struct wire *wire)
{
    if (wire->fd < 0)
        return;
    if (wire->ssl != NULL) {
        if (SSL_is_init_finished(wire->ssl) && !wire->reset)
            SSL_shutdown(wire->ssl);
        SSL_free(wire->ssl);
        ERR_clear_error();
    }
    close(wire->fd);
    free(wire->in);
    wire->ssl = NULL;
    wire->in = NULL;
    wire->fd = -1;
}

void wire_cut(struct wire *wire)
{
    const struct linger at_once = {.l_onoff = 1};

    setsockopt(wire->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    wire->reset = true;
    wire_close(wire);
}

void wire_half_close(struct wire *wire)
{
    if (wire->ssl != NULL)
        SSL_shutdown(wire->ssl);
    shutdown(wire->fd, SHUT_WR);
}

/* ---- bytes ---- */

bool wire_send(struct wire *wire, const void *bytes, size_t size)
{
    for (size_t sent = 0; sent < size;) {
        ssize_t got;

        if (wire->ssl != NULL) {
            int result = SSL_write(wire->ssl, (const char *)bytes + sent, (int)(size - sent > 1 << 20 ? 1 << 20 : size - sent));

            got = result > 0 ? result : -1;
        } else {
            got = send(wire->fd, (const char *)bytes + sent, size - sent, MSG_NOSIGNAL);
        }
        if (got < 0 && wire->ssl == NULL && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        sent += (size_t)got;
    }
    return true;
}

bool wire_say(struct wire *wire, const char *format, ...)
{
    char *text;
    va_list args;
    int size;
    bool sent;

    va_start(args, format);
    size = vasprintf(&text, format, args);
    va_end(args);
    if (size < 0)
        abort();
    sent = wire_send(wire, text, (size_t)size);
    free(text);
    return sent;
}

/* Not an end, which a test may wait for. */
static void __attribute__((noreturn)) too_late(void)
{
    fprintf(stderr, "wire.c: nothing came for %d ms\n", WIRE_PATIENCE_MS);
    abort();
}

static size_t read_more(struct wire *wire, void *to, size_t size)
{
    ssize_t got;

    if (wire->ssl != NULL) {
        int result = SSL_read(wire->ssl, to, (int)size);

        if (result > 0)
            return (size_t)result;
        wire->reset = SSL_get_error(wire->ssl, result) != SSL_ERROR_ZERO_RETURN;
        if (SSL_get_error(wire->ssl, result) == SSL_ERROR_WANT_READ)
            too_late();
        ERR_clear_error();
        return 0;
    }
    do
        got = recv(wire->fd, to, size, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        wire->reset = true;
    if (got < 0 && errno == EAGAIN)
        too_late();
    return got > 0 ? (size_t)got : 0;
}

static bool fill(struct wire *wire)
{
    if (wire->in_at < wire->in_end)
        return true;
    wire->in_at = 0;
    wire->in_end = read_more(wire, wire->in, IN_BYTES);
    return wire->in_end > 0;
}

size_t wire_read(struct wire *wire, void *to, size_t size)
{
    size_t there;

    if (!fill(wire))
        return 0;
    there = wire->in_end - wire->in_at < size ? wire->in_end - wire->in_at : size;
    memcpy(to, wire->in + wire->in_at, there);
    wire->in_at += there;
    return there;
}

bool wire_read_all(struct wire *wire, void *to, size_t size)
{
    for (size_t at = 0; at < size;) {
        size_t got = wire_read(wire, (char *)to + at, size - at);

        if (got == 0)
            return false;
        at += got;
    }
    return true;
}

bool wire_ended(struct wire *wire)
{
    return !fill(wire);
}

bool wire_is_quiet(struct wire *wire, int ms)
{
    struct pollfd waits = {.fd = wire->fd, .events = POLLIN};

    return wire->in_at == wire->in_end && (wire->ssl == NULL || SSL_has_pending(wire->ssl) == 0) && poll(&waits, 1, ms) == 0;
}

/* ---- HTTP ---- */

bool wire_head(struct wire *wire)
{
    size_t size = 0;

    wire->status = 0;
    wire->head[0] = '\0';
    while (size < 4 || memcmp(wire->head + size - 4, "\r\n\r\n", 4) != 0) {
        if (size == WIRE_HEAD_BYTES || !fill(wire))
            return false;
        wire->head[size++] = wire->in[wire->in_at++];
        wire->head[size] = '\0';
    }
    if (sscanf(wire->head, "HTTP/1.%*d %d", &wire->status) != 1)
        wire->status = 0;
    return true;
}

static const char *find_header(struct wire *wire, const char *name, size_t skip)
{
    static _Thread_local char value[WIRE_HEAD_BYTES];
    size_t size = strlen(name);

    for (const char *line = strstr(wire->head, "\r\n"); line != NULL && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        const char *at = line + 2;

        if (strncasecmp(at, name, size) != 0 || at[size] != ':' || skip-- > 0)
            continue;
        at += size + 1;
        while (*at == ' ')
            at++;
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at, "\r"), at);
        return value;
    }
    return NULL;
}

const char *wire_header(struct wire *wire, const char *name)
{
    return find_header(wire, name, 0);
}

size_t wire_headers_count(struct wire *wire, const char *name)
{
    size_t count = 0;

    while (find_header(wire, name, count) != NULL)
        count++;
    return count;
}

struct reading {
    struct wire_body body;
    XXH3_state_t *state;
};

static bool take(struct wire *wire, struct reading *reading, uint64_t bytes)
{
    while (bytes > 0) {
        size_t there;

        if (!fill(wire))
            return false;
        there = wire->in_end - wire->in_at < bytes ? wire->in_end - wire->in_at : (size_t)bytes;
        XXH3_64bits_update(reading->state, wire->in + wire->in_at, there);
        for (size_t i = 0; i < there && reading->body.bytes + i < sizeof reading->body.begins - 1; i++)
            reading->body.begins[reading->body.bytes + i] = wire->in[wire->in_at + i];
        reading->body.bytes += there;
        wire->in_at += there;
        bytes -= there;
    }
    return true;
}

static bool line(struct wire *wire, char *out, size_t out_bytes)
{
    size_t size = 0;

    while (size < 2 || out[size - 2] != '\r' || out[size - 1] != '\n') {
        if (size + 1 == out_bytes || !fill(wire))
            return false;
        out[size++] = wire->in[wire->in_at++];
    }
    out[size - 2] = '\0';
    return true;
}

static bool take_chunks(struct wire *wire, struct reading *reading)
{
    char text[4096];
    uint64_t size;

    do {
        if (!line(wire, text, sizeof text) || !isxdigit((unsigned char)text[0]))
            return false;
        size = strtoull(text, NULL, 16);
        if (size > 0 && (!take(wire, reading, size) || !line(wire, text, sizeof text) || text[0] != '\0'))
            return false;
    } while (size > 0);
    do
        if (!line(wire, text, sizeof text))
            return false;
    while (text[0] != '\0');
    return true;
}

struct wire_body wire_body(struct wire *wire, bool none)
{
    struct reading reading = {.state = XXH3_createState()};
    const char *coding, *length;

    if (reading.state == NULL)
        abort();
    XXH3_64bits_reset(reading.state);
    coding = wire_header(wire, "Transfer-Encoding");
    if (none || (wire->status >= 100 && wire->status < 200) || wire->status == 204 || wire->status == 304) {
        reading.body.whole = true;
    } else if (coding != NULL) {
        reading.body.whole = take_chunks(wire, &reading);
    } else if ((length = wire_header(wire, "Content-Length")) != NULL) {
        reading.body.whole = take(wire, &reading, strtoull(length, NULL, 10));
    } else if (wire->status == 0) {
        reading.body.whole = true; /* a request */
    } else {
        while (take(wire, &reading, 1)) {}
        reading.body.whole = !wire->reset;
    }
    reading.body.hash = XXH3_64bits_digest(reading.state);
    XXH3_freeState(reading.state);
    return reading.body;
}

struct wire_body wire_answer(struct wire *wire)
{
    return wire_head(wire) ? wire_body(wire, false) : (struct wire_body){0};
}

/* ---- noise ---- */

static void noise(uint64_t *state, char *out, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = *state;

        word ^= word << 13;
        word ^= word >> 7;
        word ^= word << 17;
        *state = word;
        memcpy(out + i, &word, size - i < 8 ? size - i : 8);
    }
}

uint64_t wire_noise_hash(uint64_t seed, uint64_t bytes)
{
    XXH3_state_t *state = XXH3_createState();
    uint64_t hash, at = seed * 2 + 1;
    char block[NOISE_BYTES];

    if (state == NULL)
        abort();
    XXH3_64bits_reset(state);
    while (bytes > 0) {
        size_t size = bytes < sizeof block ? (size_t)bytes : sizeof block;

        noise(&at, block, size);
        XXH3_64bits_update(state, block, size);
        bytes -= size;
    }
    hash = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    return hash;
}

bool wire_noise(struct wire *wire, uint64_t seed, uint64_t bytes, bool chunked)
{
    uint64_t at = seed * 2 + 1;
    char block[NOISE_BYTES];

    while (bytes > 0) {
        size_t size = bytes < sizeof block ? (size_t)bytes : sizeof block;

        noise(&at, block, size);
        if ((chunked && !wire_say(wire, "%zx\r\n", size)) || !wire_send(wire, block, size) ||
            (chunked && !wire_say(wire, "\r\n")))
            return false;
        bytes -= size;
    }
    return !chunked || wire_say(wire, "0\r\n\r\n");
}

/* ---- certificates ---- */

void wire_certificate(const char *dir, const char *file, const char *name)
{
    char command[1024];

    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=%s' "
             "-addext 'subjectAltName=DNS:%s' -keyout '%s/%s.key' -out '%s/%s.pem' 2>/dev/null",
             name, name, dir, file, dir, file);
    cr_assert_eq(system(command), 0, "openssl makes no certificate");
}
