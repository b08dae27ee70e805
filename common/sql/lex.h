/* lex.h: the words of a views file, one after the other.
 *
 * Keywords know no case; names do. A name in backticks may hold anything (`` is one backtick), text stands in single quotes
 * ('' is one quote, no backslash escapes). Comments: -- to the line's end, and slash-star; hints (slash-star-plus) count as comments.
 * Source: Flink 2.3, flink-sql-parser (semantics.md 9.2). */
#ifndef TL_LEX_H
#define TL_LEX_H

#include "sql/mistake.h"

struct tl_token {
    struct tl_span at;
    struct tl_sv text; /* as written, quotes included */
};

struct tl_lex {
    const char *at; /* the text must have a zero behind its end, and no zero before */
    const char *begin;
    struct tl_place place; /* of `placed` */
    const char *placed;
    const char *problem, *hint; /* set when TL_TK_ILLEGAL was returned */
};

void tl_lex_init(struct tl_lex *lex, const char *text);
/* The kind of the next token: one of TL_TK_* (parse.h), 0 at the end. TL_TK_ILLEGAL where no token begins. */
int tl_lex_next(struct tl_lex *lex, struct tl_token *out);
/* TL_TK_* of a keyword, 0 for any other word. */
int tl_lex_keyword(struct tl_sv word);
/* The keyword's spelling; for other tokens what people call them ("a name", "','"). */
const char *tl_lex_name(int token);

#endif
