/* tls.h: contexts of OpenSSL: for whom we answer, and for whom we ask. TLS 1.2 and newer, OpenSSL's own choice of ciphers.
 *
 * Runs on: any thread; a context is shared by the connections made with it, and lives until the last of them ends. */
#ifndef TL_TLS_H
#define TL_TLS_H

#include <openssl/ssl.h>

#include "base/base.h"

/* A certificate (PEM, with those between it and the root behind it) and its key. TL_ERR_USAGE says which file is wrong and why: not there, no
 * PEM, a key that belongs to another certificate. Of ALPN's protocols http/1.1 is chosen. */
TL_MUST_USE enum tl_code tl_tls_server_open(const char *certificate, const char *key, SSL_CTX **out, struct tl_err *err);
/* `ca` NULL: whom the system trusts. The other side's name is checked (tl_tls_client). */
TL_MUST_USE enum tl_code tl_tls_client_open(const char *ca, SSL_CTX **out, struct tl_err *err);
/* A connection to `host`, whose certificate must name it. NULL: out of memory. */
SSL *tl_tls_client(SSL_CTX *context, const char *host);
void tl_tls_close(SSL_CTX *context);
/* OpenSSL's first error, or the system's, in words; empties its queue. */
const char *tl_tls_why(SSL *ssl, int result, char *out, size_t out_bytes);

#endif
