/* url_mask.h: takes the secrets out of a URL: /reset?token=abc&page=2 becomes /reset?token=[redacted]&page=2.
 *
 * A parameter is what stands behind ? & ; or #, so those of a path (;jsessionid=) and of a fragment (#access_token=) are some too; and so is what is
 * percent-encoded, however often, as the addresses in ?next=%2Fa%3Ftoken%3Dabc are. Its name counts without case, percent-encoding, - and _; of
 * user[password] and user.password the last word counts too. The value goes up to the next parameter. What stands before the host of
 * http://user:password@host/ is taken out as well. Where it is not clear what is a value, more is taken out and not less.
 * Runs on: any thread. */
#ifndef TL_URL_MASK_H
#define TL_URL_MASK_H

#include "base/buf.h"
#include "main/option.h"

struct tl_url_mask;

/* `names`: beside the built-in ones. */
TL_MUST_USE enum tl_code tl_url_mask_open(const struct tl_option_list *names, struct tl_url_mask **out, struct tl_err *err);
void tl_url_mask_close(struct tl_url_mask *mask);
/* *out is the url itself, or a copy in `scratch` (which is cleared) without its secrets. False: out of memory. */
TL_MUST_USE bool tl_url_mask_apply(const struct tl_url_mask *mask, struct tl_sv url, struct tl_buf *scratch, struct tl_sv *out);

#endif
