/* answers.h: answers that were given, kept for as long as they hold, and beyond that for when the store is away.
 *
 * Is:      a table by request, bounded in bytes; what was not asked for longest goes first. An answer has a form for each coding, made once.
 * Runs on: the server's loop; forms are made on any thread (tl_coding_make). */
#ifndef TL_ANSWERS_H
#define TL_ANSWERS_H

#include "api.h"
#include "base/blob.h"
#include "pulse.h"

/* TL_CODING_STALE is the plain one, of JSON with "stale": true. */
enum tl_coding { TL_CODING_PLAIN, TL_CODING_GZIP, TL_CODING_ZSTD, TL_CODING_STALE, TL_CODINGS };

enum { TL_CODING_BYTES_MIN = 1024 /* less is not worth a coding */, TL_ETAG_BYTES = 40 };

/* "gzip", "zstd"; NULL: as it is. */
const char *tl_coding_name(enum tl_coding form);
/* The best of those that an Accept-Encoding header takes. */
enum tl_coding tl_coding_accepted(struct tl_sv accept_encoding);
/* One reference; NULL: out of memory, or that form does not exist. */
struct tl_blob *tl_coding_make(enum tl_coding form, struct tl_sv plain);

struct tl_kept {
    struct tl_kept *chain, *older, *newer; /* the table's */
    uint64_t hash;
    struct tl_sv key;
    size_t bytes;

    const char *type;
    char *headers;            /* of the answer's own, malloc'ed */
    char etag[TL_ETAG_BYTES]; /* hex digits, of the plain form without how fresh it is */
    enum tl_api_valid valid;
    bool has_tail;
    struct tl_pulse_beat beat; /* of before it was read */
    int64_t read_ms;           /* monotonic, the same moment */
    int64_t as_of_ms, boundary_ms;
    struct tl_blob *forms[TL_CODINGS]; /* NULL: not made yet */
    bool making[TL_CODINGS];           /* somebody is at it */
};

struct tl_answers;

/* `bytes_max` of all that is kept. */
TL_MUST_USE enum tl_code tl_answers_open(size_t bytes_max, struct tl_answers **out, struct tl_err *err);
void tl_answers_close(struct tl_answers *answers);
/* NULL: nothing is. What it gives is good until the next put. */
struct tl_kept *tl_answers_find(struct tl_answers *answers, struct tl_sv key);
/* Takes the place of what was kept for the key, and the references to forms; `kept` but for key and table is the caller's. NULL: out of memory, or larger than
 * all may be: then nothing is taken. */
struct tl_kept *tl_answers_put(struct tl_answers *answers, struct tl_sv key, const struct tl_kept *kept);
/* Takes the reference. */
void tl_answers_put_form(struct tl_answers *answers, struct tl_kept *kept, enum tl_coding form, struct tl_blob *blob);
/* Would it be answered again like that? */
bool tl_kept_holds(const struct tl_kept *kept, const struct tl_pulse_beat *now, int64_t now_ms);
size_t tl_answers_bytes(const struct tl_answers *answers);

/* The hex digits for a body, or for what of it is meant. */
void tl_etag_of(struct tl_sv body, char out[TL_ETAG_BYTES]);

#endif
