/* agent_text.h: the text of a user agent, whichever form the column has it in.
 *
 * Access logs have the text itself. `tally intercept` writes what it has found out as JSON, and the text in it: {"family":"Firefox",...,"string":"Mozilla/5.0
 * ..."}. So a column that is a JSON object with a text as its member "string" stands for that text, and the same visitor is the same in both. */
#ifndef TL_AGENT_TEXT_H
#define TL_AGENT_TEXT_H

#include "base/arena.h"
#include "base/buf.h"

struct tl_agent_text { /* all zero: ready */
    struct tl_arena arena;
    const struct tl_json_path *path;
    struct tl_buf text;
};

void tl_agent_text_done(struct tl_agent_text *reader);
/* *out is the column itself, or the text in it, good until the next call. False: out of memory. */
TL_MUST_USE bool tl_agent_text_find(struct tl_agent_text *reader, struct tl_sv column, struct tl_sv *out);
/* May the column hold the text? For who keeps what was found. */
static inline bool tl_agent_text_is_json(struct tl_sv column)
{
    return column.size > 0 && column.data[0] == '{';
}

#endif
