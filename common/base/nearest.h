/* nearest.h: the name that was meant: of those that there are, the one that is nearest to what was written. */
#ifndef TL_NEAREST_H
#define TL_NEAREST_H

#include "base/sv.h"

/* The nearest of some names: feed them one by one, then read `best`. A name is near when at most a third of its letters differ. */
struct tl_nearest {
    struct tl_sv given, best; /* best.data NULL: none is near */
    size_t distance;
};

struct tl_nearest tl_nearest_to(struct tl_sv given);
void tl_nearest_offer(struct tl_nearest *nearest, struct tl_sv name);
/* "did you mean 'host'?" into `out`, or `otherwise` (may be NULL) when no name is near. Returns what is to be used as a hint. */
const char *tl_nearest_hint(const struct tl_nearest *nearest, char *out, size_t out_bytes, const char *otherwise);

#endif
