/* versions.h: what functions worked with (time zones, rules, files of places) in each layer and in reconcile, and where that parts.
 *
 * A text is what tl_functions_versions() wrote: items with "; " between, each named by its first word. A name that only one side has is no
 * difference: a view came to call one more function. */
#ifndef TL_VERSIONS_H
#define TL_VERSIONS_H

#include "base/buf.h"

enum tl_versions_side { TL_VERSIONS_SPEED, TL_VERSIONS_BATCH, TL_VERSIONS_RECONCILE, TL_VERSIONS_SIDES };

struct tl_versions_item;

/* All zero: nothing yet. */
struct tl_versions {
    struct tl_versions_item *items;
    size_t items_count;
};

void tl_versions_done(struct tl_versions *versions);
TL_MUST_USE enum tl_code tl_versions_add(struct tl_versions *versions, enum tl_versions_side side, struct tl_sv text,
                                         struct tl_err *err);
/* Has a side worked with another version than reconcile of something that matters? `matters` is asked by name. */
bool tl_versions_differ(const struct tl_versions *versions, enum tl_versions_side side,
                        bool (*matters)(const void *ctx, struct tl_sv name), const void *ctx);
/* Has the side worked with each item of the text whose name matters? */
bool tl_versions_has(const struct tl_versions *versions, enum tl_versions_side side, struct tl_sv text,
                     bool (*matters)(const void *ctx, struct tl_sv name), const void *ctx);
/* Has the side worked with something whose name matters, and that the text does not have? */
bool tl_versions_has_more(const struct tl_versions *versions, enum tl_versions_side side, struct tl_sv text,
                          bool (*matters)(const void *ctx, struct tl_sv name), const void *ctx);
/* "tzdata 2025b (speed), tzdata 2026a (batch, reconcile)", for each name that has more than one; nothing where all agree. */
void tl_versions_put_differences(const struct tl_versions *versions, struct tl_buf *out);

#endif
