/* wire.h: one end of a connection, plain or TLS, as a test speaks over it: blocking, byte for byte, and HTTP/1.1 read as simply as it can be.
 *
 * Runs on: any one thread. Where nothing comes for WIRE_PATIENCE_MS the test crashes, and says so. */
#ifndef TL_TEST_WIRE_H
#define TL_TEST_WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

enum { WIRE_PATIENCE_MS = 20000, WIRE_HEAD_BYTES = 65536 };

struct wire {
    int fd; /* -1: closed */
    SSL *ssl;
    char head[WIRE_HEAD_BYTES + 1]; /* the last one read, with its empty line; zero-terminated */
    int status;                     /* of an answer's head; 0: there was none */
    bool reset;                     /* the other side has not ended but cut (RST; with TLS, no good-bye) */
    char *in;                       /* read, and not yet taken: from in_at to in_end */
    size_t in_at, in_end;
};

/* To 127.0.0.1:port; fails the test where nobody listens. */
void wire_open(struct wire *wire, uint16_t port);
/* And with TLS: false: it came to no handshake. `ca`: whose certificates are believed, `name`: whom it must be for. */
bool wire_open_tls(struct wire *wire, uint16_t port, const char *ca, const char *name);
bool wire_shake(struct wire *wire, const char *ca, const char *name); /* over what is open already */
/* Of a socket that was accepted; `tls` NULL: plain. False: no handshake. */
bool wire_accept(struct wire *wire, int fd, SSL_CTX *tls);
void wire_close(struct wire *wire);
void wire_cut(struct wire *wire); /* RST */
void wire_half_close(struct wire *wire);

/* False: the other side takes no more. */
bool wire_send(struct wire *wire, const void *bytes, size_t size);
bool wire_say(struct wire *wire, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What is there, waiting for the first byte. 0: the end (or a cut: `reset`). */
size_t wire_read(struct wire *wire, void *to, size_t size);
/* Reads exactly so much. */
bool wire_read_all(struct wire *wire, void *to, size_t size);
/* Up to and with an empty line, into `head`; of an answer also `status`. False: the end came before. */
bool wire_head(struct wire *wire);
/* The value of a header of `head`, without regard to case; NULL: none. Good until the next call. */
const char *wire_header(struct wire *wire, const char *name);
size_t wire_headers_count(struct wire *wire, const char *name);

struct wire_body {
    uint64_t bytes, hash;
    bool whole;       /* as its framing says; until close: the end was none by a cut */
    char begins[512]; /* zero-terminated */
};
/* The body that belongs to `head`; `none`: it has none whatever the head says (an answer to HEAD). */
struct wire_body wire_body(struct wire *wire, bool none);
/* The hash of `bytes` bytes that wire_noise sends; and sends them, chunked or as they are. False: the other side takes no more. */
uint64_t wire_noise_hash(uint64_t seed, uint64_t bytes);
bool wire_noise(struct wire *wire, uint64_t seed, uint64_t bytes, bool chunked);
/* Head and body of the next answer at once. */
struct wire_body wire_answer(struct wire *wire);
/* Is the next that comes the end? */
bool wire_ended(struct wire *wire);
/* Does nothing come for so long? */
bool wire_is_quiet(struct wire *wire, int ms);

/* Certificate and key for a name, signed by itself: NAME.pem and NAME.key in the folder. */
void wire_certificate(const char *dir, const char *file, const char *name);

#endif
