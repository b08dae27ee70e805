/* assets.h: the dashboard's files, which are part of the program.
 *
 * Is:      bytes as they were when the program was made, and of which type they are.
 * Is not:  an answer: ETag, compression and the policy are serve's (desk.h, gate.h).
 * Runs on: any thread; nothing changes. */
#ifndef TL_ASSETS_H
#define TL_ASSETS_H

#include "base/sv.h"

struct tl_asset {
    const char *path; /* "/index.html" */
    const char *type; /* "text/html; charset=utf-8" */
    const unsigned char *bytes;
    size_t size;
};

/* The file of a request's path, without its query; "/" is the page. NULL: there is none. Lives as long as the program. */
const struct tl_asset *tl_asset_find(struct tl_sv path);

#endif
