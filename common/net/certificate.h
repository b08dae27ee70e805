/* certificate.h: a server's certificate and key, read anew when their files change.
 *
 * Runs on: one thread. Connections that were made with an earlier certificate keep it. */
#ifndef TL_CERTIFICATE_H
#define TL_CERTIFICATE_H

#include <openssl/ssl.h>

#include "base/base.h"

struct tl_certificate;

/* Paths are borrowed. Errors as tl_tls_server_open. */
TL_MUST_USE enum tl_code tl_certificate_open(const char *certificate, const char *key, struct tl_certificate **out,
                                             struct tl_err *err);
void tl_certificate_close(struct tl_certificate *certificate);
/* Looks whether the files have changed since they were looked at last, or takes it for granted (`anyway`). *fresh: they are in use now. On failure
 * those before stay in use, and it is said once for each change. */
TL_MUST_USE enum tl_code tl_certificate_refresh(struct tl_certificate *certificate, bool anyway, bool *fresh, struct tl_err *err);
/* For a client that is to be shaken hands with. NULL: out of memory. */
SSL *tl_certificate_accept(struct tl_certificate *certificate);

#endif
