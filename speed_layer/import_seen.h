/* import_seen.h: which files were imported before, by their identity, so that what is known of one need not be read again.
 *
 * What is kept of a file: device, inode, size and time of its last change, the entry (import_progress.h) of what it held, and
 * of a plain file its spans: hash, place, and from when to when their lines are. Nothing is known by this alone. An entry
 * counts only if it is among those in the log or the record, and a file only if it may still be the same and what is looked
 * at of its content is:
 *
 *   plain     Same device and inode, and not shorter. Of the same size: the time of its last change is the same too, and was
 *             two seconds or more ago when it was noted (a change within the clock's tick would not show). Longer: it may have
 *             grown. In both cases sixteen spans evenly chosen are read, the first and the last among them, and the lines
 *             behind the last whole span, and must have their hashes. Then the rest is not read. Where the inode's own time
 *             (ctime) is the same and settled too, which no writer can set back, the first and the last span will do.
 *   packed    It does not grow. Same device, inode, size and time of its last change, this two seconds or more before it was
 *             noted, and unchanged while it was read; its first and last 64 KiB are the same. gzip's end holds the sum of all
 *             that is in it, zstd's the last frame's. Then nothing of it is unpacked.
 *
 * So another log under the inode of a deleted one, a log that was cut and written again (copytruncate), and one that was
 * written anew in place, be it to the same size, are read from their beginning, for their content to decide. The inode's time
 * is not demanded, for renaming moves it. What would not be noticed: a few lines in the middle of a plain log that were changed
 * in place, to the same length, after which the log has grown or the time of its change was set back. `--reread` reads all.
 *
 * How often a line came before in its log is part of an event's id, so a log is not continued by its new lines alone. Equal
 * lines have the same time: those spans are read again, whose times hold that of a new line, and in a log in order of time
 * that is the last one.
 *
 * Where the file lay is kept too, for what its entry alone cannot tell: whether a log that begins as a short one did is that
 * one, longer, or another one (tl_import_seen_is_anothers), and whether a shorter one is a copy (tl_import_seen_beginning).
 *
 *   DIR/imports.seen: "TLYISEEN", u32 version 2, then each file as a block, the latest met last, up to 32 MiB of them; last u64 XXH3 of all before
 *   a file: u64 device, u64 inode, zigzag size, zigzag ns of its change, zigzag ns of its inode's, u8 settled, u8 packed, block entry, u64 hash of its
 *           first bytes, u64 of its last, block path (not in version 1), varint spans; each span: 16 bytes hash, varint lines, varint bytes from the end of
 *           the one before it to its own, zigzag least time, zigzag latest
 *
 * It is written by rename, when a command ends or a GB was read, and may be lost without harm: a file that is not noted is read. */
#ifndef TL_IMPORT_SEEN_H
#define TL_IMPORT_SEEN_H

#include "speed_layer/import_progress.h"
#include "speed_layer/line_source.h"

struct tl_import_seen;

/* So many lines are not the same in two logs by chance: two sites that are asked the same in the same seconds. */
enum { TL_IMPORT_CHANCE_LINES = 100 };

/* How a file lies there. */
struct tl_file_identity {
    uint64_t device, inode;
    int64_t size, changed_ns, inode_changed_ns;
};

struct tl_import_seen_file {
    struct tl_file_identity identity;
    bool is_settled; /* its last change was long enough ago to show the next one */
    bool is_packed;
    struct tl_import_entry entry;
    uint64_t head, tail; /* packed: hashes of its first and last bytes */
    struct tl_sv path;   /* where it lay, ended by a zero; empty: not known */
    struct tl_import_span *spans;
    size_t spans_count;
};

/* What is there. A file that is damaged is said, and taken for empty. */
TL_MUST_USE enum tl_code tl_import_seen_open(const char *data_dir, struct tl_import_seen **out, struct tl_err *err);
void tl_import_seen_close(struct tl_import_seen *seen);
/* False: standard input. */
TL_MUST_USE bool tl_file_identity_of(const struct tl_line_source *source, struct tl_file_identity *out);
/* What was noted of the file under this kind, and is true of it still; NULL: nothing. Moves the source. */
const struct tl_import_seen_file *tl_import_seen_find(struct tl_import_seen *seen, struct tl_line_source *source,
                                                      const struct tl_import_kind *kind);
/* The log begins with the lines of `entry`, which are fewer than TL_IMPORT_CHANCE_LINES, and goes on. Are they those of another
 * log? It is, if the file that they came from lies where it lay, and has not gone on, or otherwise than this one, whose first
 * span is `first`. What was renamed, packed or cut has left its place, or another content there. */
bool tl_import_seen_is_anothers(struct tl_import_seen *seen, const struct tl_line_source *source,
                                const struct tl_import_entry *entry, const struct tl_lines *first);
/* Of a log that ends before those that begin like it: how many of its first lines are known, for they are those of a longer
 * log that was imported. Its whole spans are known by their hashes; the lines behind them, `last`, if the longer one's file
 * still lies where it lay. A last line of it that breaks off is known too. 0 below TL_IMPORT_CHANCE_LINES. */
uint64_t tl_import_seen_beginning(struct tl_import_seen *seen, const struct tl_import_progress *progress,
                                  const struct tl_lines *last);
/* Notes what the file holds: it has been read to its end, and was `opened` when that began. `progress` stands behind its last
 * line. What cannot be vouched for is forgotten. */
TL_MUST_USE enum tl_code tl_import_seen_note(struct tl_import_seen *seen, const struct tl_line_source *source,
                                             const struct tl_file_identity *opened, const struct tl_import_progress *progress,
                                             struct tl_err *err);
/* Writes what has changed since it was opened or written. */
TL_MUST_USE enum tl_code tl_import_seen_write(struct tl_import_seen *seen, struct tl_err *err);

#endif
