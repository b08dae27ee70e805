/* file_request.h: is a URL asked for as a file of a page (a style, a script, an image), or as a page? By the ending of its path. */
#ifndef TL_FILE_REQUEST_H
#define TL_FILE_REQUEST_H

#include "base/sv.h"

enum { TL_FILE_EXTENSION_BYTES_MAX = 11 };

/* What IS_FILE_REQUEST says. */
bool tl_file_request_is(struct tl_sv url);
/* The ending of the path, as it is written and without its point: a view; empty where there is none, or a longer one. */
struct tl_sv tl_file_request_extension(struct tl_sv url);

#endif
