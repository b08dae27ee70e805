/* json_event.h: bytes of a message -> rows with the wanted columns; everything else is skipped.
 *
 * The one normaliser (design.md, core): invalid UTF-8 inside a JSON text (each maximal subpart of an ill-formed sequence), NUL and
 * halves of surrogate pairs become U+FFFD, the last of duplicate keys wins (flag TL_FLAG_DUP_KEY when a wanted key occurs twice),
 * names are case-sensitive and may be written with escapes.
 *
 * What is malformed never depends on which columns are wanted, nor on the processor. A message is a dead letter, whole:
 *   EMPTY       a tombstone, no bytes, white space only, or []
 *   TOO_LARGE   more than event_bytes_max bytes
 *   TOO_DEEP    more than depth_max brackets open at once, the event's own and an array's around it counted
 *   NOT_JSON    a string without its end; brackets that do not close each other in kind; no key, colon, value, comma or closing
 *               bracket where the top level of the object or array must have one; what begins like no JSON value (a UTF-8 byte
 *               order mark too, though Flink skips one)
 *   NOT_OBJECT  one JSON value that is neither object nor array
 *   TRAILING    anything but white space behind the object or array
 * An array counts as its objects, each a row numbered by its place; any other element is a dead letter of its own row (NOT_OBJECT).
 * The inside of skipped values is not checked beyond strings and brackets, nor are scalars: {"x":tru} is a row for who does not
 * want x. Raw control characters in strings are taken, anywhere, as Flink does (ALLOW_UNESCAPED_CONTROL_CHARS).
 *
 * A wanted value that cannot be read as its type, or is not JSON inside, is NULL with TL_FLAG_BAD_FIELD and `bad` set for that
 * column. Conversions are those of Flink's JSON format (semantics.md 9.1; JsonToRowDataConverters, the tree variant):
 *   STRING      texts as they are; integers as written; numbers with point or exponent as Java's Double.toString (1.50 is 1.5, 1e3
 *               is 1000.0); true, false; objects and arrays as their text without white space (keys, numbers and escapes as
 *               written, where Jackson would print them anew)
 *   BOOLEAN     true, or the text 'true' in any case, trimmed; anything else that is JSON is false
 *   integers    numbers, and texts of one (trimmed, a sign allowed); INT and BIGINT cut 1.9 to 1, in TINYINT and SMALLINT it is bad;
 *               out of range is bad
 *   DOUBLE, FLOAT   numbers, and texts of one (trimmed; f or d may stand behind it; no hexadecimal digits); 1e999 is bad
 *   TIMESTAMP, TIMESTAMP_LTZ   texts in the exact form of the schema's time_format (timestamp.h)
 * null is NULL for all. Whether a missing or bad event time makes a dead letter is the core's decision, not the parser's: which
 * column that is, it does not know.
 *
 * Runs on: the thread that opened it. Warm, parsing allocates nothing. */
#ifndef TL_JSON_EVENT_H
#define TL_JSON_EVENT_H

#include "event/batch.h"

struct tl_json_event;

TL_MUST_USE enum tl_code tl_json_event_open(const struct tl_schema *schema, struct tl_json_event **out, struct tl_err *err);
void tl_json_event_close(struct tl_json_event *parser);
/* Appends the message's rows and dead letters to the batch. Fails only for memory; the batch is then as before. */
TL_MUST_USE enum tl_code tl_json_event_parse(struct tl_json_event *parser, const struct tl_message *message,
                                             struct tl_batch *batch, struct tl_err *err);
/* The same for many messages in order. Those that are lines of one text (a newline between one and the next in memory) go faster.
 * On failure the batch may hold part of them. */
TL_MUST_USE enum tl_code tl_json_event_parse_all(struct tl_json_event *parser, const struct tl_message *messages, size_t count,
                                                 struct tl_batch *batch, struct tl_err *err);

#endif
