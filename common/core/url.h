/* url.h: the parts of a URL, as java.net.URL takes it apart.
 *
 * Only what has a protocol that the JDK knows is a URL: http, https, ftp, file, mailto, jrt, jmod (jar is not taken). White space
 * at both ends and "url:" before it are skipped. Nothing is decoded, and no dots are taken out of the path. */
#ifndef TL_URL_H
#define TL_URL_H

#include "base/sv.h"

/* Views into the text (the protocol: lower case, lives as long as the process). Data NULL: it has no such part. */
struct tl_url {
    struct tl_sv protocol;
    struct tl_sv authority; /* user_info@host:port */
    struct tl_sv user_info;
    struct tl_sv host; /* as it is written; an IPv6 address with its brackets; empty: none */
    struct tl_sv path; /* may be empty */
    struct tl_sv query;
    struct tl_sv file; /* path?query */
    struct tl_sv ref;  /* behind # */
};

/* False: it is no such URL (a relative one, say), and *out has no meaning. */
TL_MUST_USE bool tl_url_parse(struct tl_sv text, struct tl_url *out);
/* The value of the first key=value in a query, not decoded. */
TL_MUST_USE bool tl_url_query_find(struct tl_sv query, struct tl_sv key, struct tl_sv *out);

#endif
