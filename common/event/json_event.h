/* json_event.h: bytes of a message -> rows with the wanted columns; everything else is skipped.
 *
 * The one normaliser (design.md, core): invalid UTF-8 inside a JSON text and NUL become U+FFFD, the last of duplicate keys
 * wins (flag TL_FLAG_DUP_KEY when a wanted key occurs twice), names are case-sensitive. What is malformed never depends on
 * which columns are wanted: a message is a dead letter if it is not one balanced JSON object (an array counts as its
 * objects, each a row with a number of its own; a non-object in an array is a dead letter of its own row), if text stands
 * behind it, if it exceeds event_bytes_max or depth_max. The inside of skipped values is not checked.
 * A wanted value that cannot be read as its type is NULL with TL_FLAG_BAD_FIELD and `bad` set for that column.
 * Conversions are those of Flink's JSON format (semantics.md 9.1): " 5 " and 1.9 read as INT 5 and 1; true, numbers and objects
 * read as STRING 'true', their text, their compact JSON; an INT out of range is bad; 1e999 is bad for DOUBLE; timestamps only
 * in the exact form of the schema's time_format. Whether a missing or bad event time makes a dead letter is the core's
 * decision, not the parser's: which column that is, it does not know.
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

#endif
