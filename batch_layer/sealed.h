/* sealed.h: days whose events the record may have lost to retention: they are never computed again.
 *
 *                     sealed_ms
 *   record            ┆   [file][file][file]
 *   published   (1st] (2nd] ┆(3rd] (4th]
 *   sealed        x     x             a range that begins before sealed_ms, whole
 *
 * What is published of them stays, whatever --from, --force or new input say. A definition that is new begins with one empty range that reaches over them: its
 * rows cannot be made any more, and those of an older definition go when it is swapped out.
 * What comes for a sealed day later is only noted (sealed_note.h). */
#ifndef TL_SEALED_H
#define TL_SEALED_H

#include "input.h"
#include "store/store.h"

/* By which name the partition is sealed: topic and import together, for a range is made of both. */
struct tl_sv tl_sealed_topic(const struct tl_input_partition *partition);
/* Up to where one of the input's topics is sealed; INT64_MIN: none is. */
TL_MUST_USE enum tl_code tl_sealed_upto(struct tl_store *store, const struct tl_input *input, int64_t *upto_ms,
                                        struct tl_err *err);

#endif
