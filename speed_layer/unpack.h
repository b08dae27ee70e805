/* unpack.h: bytes out of packed bytes, a piece at a time: zstd's frames, gzip's members, one after another.
 *
 * Is not: a reader of files (line_source.h), nor a judge of what a file is. Zeros behind gzip's last member are padding, as
 * for gzip itself; other bytes there are damage.
 * Runs on: the thread that opened it. */
#ifndef TL_UNPACK_H
#define TL_UNPACK_H

#include "base/base.h"

enum tl_unpack_kind { TL_UNPACK_ZSTD, TL_UNPACK_GZIP };

struct tl_unpack;

TL_MUST_USE enum tl_code tl_unpack_open(enum tl_unpack_kind kind, struct tl_unpack **out, struct tl_err *err);
void tl_unpack_close(struct tl_unpack *unpack);
/* Back to the beginning. */
TL_MUST_USE enum tl_code tl_unpack_restart(struct tl_unpack *unpack, struct tl_err *err);
/* "zstd" or "gzip". */
const char *tl_unpack_name(const struct tl_unpack *unpack);

struct tl_unpack_step {
    const char *in;
    size_t in_bytes, taken;
    char *out;
    size_t out_bytes, given;
};
/* Adds to `taken` and `given` as far as both sides reach. in_bytes == taken, within a frame, asks for what is still held. NULL, or why the
 * bytes from in[taken] on are no such file. */
TL_MUST_USE const char *tl_unpack_some(struct tl_unpack *unpack, struct tl_unpack_step *step);
/* In the middle of a frame or member: what ends here breaks off. */
bool tl_unpack_is_within(const struct tl_unpack *unpack);

#endif
