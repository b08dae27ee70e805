/* base64url.h: bytes as text that needs no quoting in a URL, and back (RFC 4648, section 5, without padding). */
#ifndef TL_BASE64URL_H
#define TL_BASE64URL_H

#include "base/buf.h"

void tl_base64url_put(struct tl_buf *out, struct tl_sv bytes);
/* False where it is no such text, or not the one that these bytes have: nothing is added then, but for a failed buffer. */
TL_MUST_USE bool tl_base64url_read(struct tl_sv text, struct tl_buf *out);

#endif
