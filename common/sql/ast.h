/* ast.h: what was written, and where. Nothing is looked up yet: names are names.
 *
 * Lives in the arena that it was parsed into; texts are views into the file's text or decoded copies in the arena. */
#ifndef TL_AST_H
#define TL_AST_H

#include "base/arena.h"
#include "base/buf.h"
#include "sql/lex.h"
#include "sql/mistake.h"

enum {
    TL_SQL_DEPTH_MAX = 200,     /* nesting of expressions and brackets: below what any stack could mind */
    TL_SQL_BYTES_MAX = 1 << 20, /* of a file */
};

enum tl_sql_file { TL_SQL_VIEWS, TL_SQL_CHECKS };

enum tl_ast_op {
    TL_AST_NUMBER, /* text: as written */
    TL_AST_STRING, /* text: decoded */
    TL_AST_TRUE,
    TL_AST_FALSE,
    TL_AST_NULL,
    TL_AST_TIMESTAMP, /* text: decoded */
    TL_AST_INTERVAL,  /* text: decoded; unit, precision */
    TL_AST_COLUMN,    /* text; qualifier may be empty */
    TL_AST_OPERATOR,  /* text: the catalog's name: "+", "NEGATE", "IS NULL"; args */
    TL_AST_CALL,      /* text: as written; args; star for f(*) */
    TL_AST_CAST,      /* args[0], type */
    TL_AST_AND,       /* two or more args */
    TL_AST_OR,
    TL_AST_CASE,    /* args: [operand], condition, value, ..., [else]: see has_operand, has_else */
    TL_AST_IN,      /* args: x, then the list */
    TL_AST_BETWEEN, /* args: x, low, high */
    TL_AST_FILE,    /* of a checks file: FILE 'name', the list of IN; text: the name, decoded */
};

struct tl_ast_type {
    struct tl_sv name; /* as written, one word */
    struct tl_sv more; /* "PRECISION", "WITH LOCAL TIME ZONE": the words behind it, as written */
    struct tl_span at;
    uint32_t numbers_count; /* (p) or (p, s) */
    uint64_t numbers[2];
};

struct tl_ast_expr {
    enum tl_ast_op op;
    struct tl_span at;     /* all of it */
    struct tl_span key_at; /* the operator or the function's name: where a caret belongs */
    struct tl_sv text, qualifier;
    struct tl_sv unit;                           /* INTERVAL: as written */
    uint64_t precision;                          /* INTERVAL: (n), or 0 when not written */
    struct tl_ast_type type;                     /* CAST; JSON_VALUE: RETURNING, or empty */
    struct tl_ast_expr *args, *args_last, *next; /* args hang together by next */
    uint32_t args_count, depth;
    bool star, has_operand, has_else, in_brackets;
    bool is_try;               /* TRY_CAST */
    bool distinct;             /* f(DISTINCT ...) */
    struct tl_ast_expr *where; /* f(...) FILTER (WHERE ...), or NULL */
    struct tl_span where_at;   /* the word FILTER */
};

struct tl_ast_name {
    struct tl_sv text;
    struct tl_span at;
    struct tl_ast_name *next;
};

struct tl_ast_names {
    struct tl_ast_name *first, *last;
    uint32_t count;
};

struct tl_ast_option {
    struct tl_ast_name key, value;
    struct tl_ast_option *next;
};

enum tl_ast_column_kind { TL_AST_PHYSICAL, TL_AST_COMPUTED, TL_AST_WATERMARK };

struct tl_ast_column {
    enum tl_ast_column_kind kind;
    struct tl_ast_name name;
    struct tl_span at; /* WATERMARK: the word */
    struct tl_ast_type type;
    struct tl_ast_expr *expr; /* computed columns and watermarks */
    struct tl_ast_column *next;
};

struct tl_ast_item {
    struct tl_span at;
    struct tl_ast_expr *expr; /* NULL: a star */
    struct tl_sv qualifier;   /* of t.* */
    struct tl_ast_name alias; /* text.data NULL: none */
    struct tl_ast_item *next;
};

enum tl_ast_arg_kind { TL_AST_ARG_TABLE, TL_AST_ARG_DESCRIPTOR, TL_AST_ARG_EXPR };

struct tl_ast_arg { /* of a window function */
    enum tl_ast_arg_kind kind;
    struct tl_span at;
    struct tl_ast_name label;      /* NAME => ...; text.data NULL: positional */
    struct tl_ast_names names;     /* TABLE name; DESCRIPTOR(names) */
    struct tl_ast_names partition; /* PARTITION BY */
    struct tl_ast_expr *expr;
    struct tl_ast_arg *next;
};

struct tl_ast_select;

struct tl_ast_from {
    struct tl_span at;
    struct tl_ast_name name;      /* a table or view; the window function's name where args is set */
    struct tl_ast_select *select; /* (SELECT ...) */
    struct tl_ast_arg *args;      /* of a window function */
    uint32_t args_count;
    struct tl_ast_name alias; /* text.data NULL: none */
};

struct tl_ast_select {
    struct tl_span at; /* the word SELECT */
    struct tl_ast_item *items;
    struct tl_ast_from *from;
    struct tl_ast_expr *where;
    struct tl_span group_at;
    struct tl_ast_expr *group; /* list by next */
    uint32_t group_count;
    struct tl_span having_at;
    struct tl_ast_expr *having;
};

enum tl_ast_violation { TL_AST_VIOLATION_WARN, TL_AST_VIOLATION_DROP_ROW, TL_AST_VIOLATION_FAIL_UPDATE };

struct tl_ast_check {
    struct tl_ast_name name;
    struct tl_ast_expr *expr;   /* NULL: UNIQUE (names) */
    struct tl_ast_names unique; /* of UNIQUE */
    struct tl_span unique_at;
    struct tl_ast_name days; /* PERCENT OF MEDIAN OVER days DAYS, as written; text.data NULL: not written */
    struct tl_span median_at;
    enum tl_ast_violation violation;
    struct tl_span violation_at; /* what stands behind ON VIOLATION; else some place of the statement */
};

enum tl_ast_statement_kind {
    TL_AST_SET,
    TL_AST_RESET,
    TL_AST_SHOW_SETTINGS,
    TL_AST_CREATE_TABLE,
    TL_AST_CREATE_VIEW,
    TL_AST_ALTER_TABLE, /* of a checks file, and nothing else is in one */
    TL_AST_ALTER_VIEW,
};

struct tl_ast_statement {
    enum tl_ast_statement_kind kind;
    struct tl_span at;        /* from its first word to its last, without the semicolon */
    struct tl_ast_name name;  /* of the table or view; the key of SET and RESET (RESET of all: text.data NULL) */
    struct tl_ast_name value; /* of SET */
    bool temporary, if_not_exists;
    struct tl_ast_column *columns; /* of a table */
    struct tl_ast_option *options;
    struct tl_ast_names names; /* CREATE VIEW v (names) */
    struct tl_sv comment;
    struct tl_ast_select *select;
    struct tl_span select_at;   /* the query of a view: from SELECT to the statement's end */
    struct tl_ast_check *check; /* of ALTER */
    struct tl_ast_statement *next;
};

struct tl_script {
    struct tl_text text; /* ends with a zero behind its size */
    struct tl_ast_statement *statements;
    uint32_t statements_count;
    struct tl_span end; /* of the text */
};

/* Adds the bytes of a file to `out`, and no more of them than are taken and one. `what` it is: "views". */
TL_MUST_USE enum tl_code tl_sql_read(const char *what, const char *path, struct tl_buf *out, struct tl_err *err);
/* `text` is copied into the arena. TL_ERR_DEFINITION: err holds the first mistake. */
TL_MUST_USE enum tl_code tl_sql_parse(enum tl_sql_file file, struct tl_sv text, const char *name, struct tl_arena *arena,
                                      struct tl_script *out, struct tl_err *err);

/* --- for parse.y: every maker returns NULL when memory ends or the statement is already wrong; parse->rc then says why ---- */

struct tl_parse {
    enum tl_sql_file file;
    struct tl_arena *arena;
    struct tl_text text;
    struct tl_err *err;
    enum tl_code rc;
    struct tl_lex lex;
    struct tl_token first, last; /* of the statement: first token, and the last one seen before the present */
    int last_kind, token_kind;
    int clause; /* the last of SELECT, FROM, WHERE, GROUP, HAVING in the statement, 0 before */
    struct tl_ast_statement *statements, *statements_last;
    uint32_t statements_count;
};

struct tl_ast_list {
    struct tl_ast_expr *first, *last;
    uint32_t count;
};

/* The name without its backticks. */
struct tl_ast_name tl_ast_name(struct tl_parse *parse, struct tl_token token);
/* The text without its quotes. */
struct tl_ast_name tl_ast_text(struct tl_parse *parse, struct tl_token token);
struct tl_ast_names tl_ast_names_add(struct tl_parse *parse, struct tl_ast_names names, struct tl_ast_name name);
struct tl_ast_expr *tl_ast_literal(struct tl_parse *parse, enum tl_ast_op op, struct tl_token from, struct tl_token text);
struct tl_ast_expr *tl_ast_interval(struct tl_parse *parse, struct tl_token word, struct tl_token text, struct tl_token unit,
                                    struct tl_token precision, struct tl_token last);
struct tl_ast_expr *tl_ast_column(struct tl_parse *parse, const struct tl_token *qualifier, struct tl_token name);
struct tl_ast_expr *tl_ast_call(struct tl_parse *parse, struct tl_token name, struct tl_ast_list args, bool star, bool distinct,
                                struct tl_token last);
/* A call with words of its own among the arguments: FLOOR(x TO DAY) is one of "FLOOR TO". */
struct tl_ast_expr *tl_ast_call_words(struct tl_parse *parse, struct tl_token name, const char *words, struct tl_ast_list args,
                                      struct tl_token last);
/* A text that is not written: what is meant when a word is left out. */
struct tl_ast_expr *tl_ast_implied(struct tl_parse *parse, struct tl_token at, const char *text);
/* call FILTER (WHERE condition) */
struct tl_ast_expr *tl_ast_filter(struct tl_parse *parse, struct tl_ast_expr *call, struct tl_token at, struct tl_ast_expr *where,
                                  struct tl_token last);
struct tl_ast_expr *tl_ast_prefix(struct tl_parse *parse, const char *symbol, struct tl_token at, struct tl_ast_expr *arg);
struct tl_ast_expr *tl_ast_suffix(struct tl_parse *parse, const char *symbol, struct tl_token at, struct tl_token last,
                                  struct tl_ast_expr *arg);
struct tl_ast_expr *tl_ast_infix(struct tl_parse *parse, const char *symbol, struct tl_token at, struct tl_ast_expr *left,
                                 struct tl_ast_expr *right);
/* AND and OR: a chain without brackets becomes one node, so its length is no depth. */
struct tl_ast_expr *tl_ast_chain(struct tl_parse *parse, enum tl_ast_op op, struct tl_token at, struct tl_ast_expr *left,
                                 struct tl_ast_expr *right);
struct tl_ast_expr *tl_ast_cast(struct tl_parse *parse, struct tl_token at, struct tl_ast_expr *arg, struct tl_ast_type type,
                                bool is_try, struct tl_token last);
/* x IN (list), x BETWEEN low AND high, x LIKE pattern ESCAPE c: the args are x and then the list. */
struct tl_ast_expr *tl_ast_over(struct tl_parse *parse, enum tl_ast_op op, const char *symbol, struct tl_token at,
                                struct tl_ast_expr *x, struct tl_ast_list list, struct tl_span last);
struct tl_ast_expr *tl_ast_case(struct tl_parse *parse, struct tl_token at, struct tl_ast_expr *operand, struct tl_ast_list arms,
                                struct tl_ast_expr *otherwise, struct tl_token last);
struct tl_ast_expr *tl_ast_brackets(struct tl_ast_expr *expr, struct tl_token open, struct tl_token close);
struct tl_ast_list tl_ast_list_add(struct tl_ast_list list, struct tl_ast_expr *expr);
struct tl_ast_type tl_ast_type(struct tl_token name, const struct tl_token *more_first, const struct tl_token *more_last);
void tl_ast_type_number(struct tl_parse *parse, struct tl_ast_type *type, struct tl_token number);
struct tl_ast_column *tl_ast_table_column(struct tl_parse *parse, enum tl_ast_column_kind kind, struct tl_token word,
                                          struct tl_token name, const struct tl_ast_type *type, struct tl_ast_expr *expr);
struct tl_ast_option *tl_ast_option(struct tl_parse *parse, struct tl_token key, struct tl_token value);
struct tl_ast_item *tl_ast_item(struct tl_parse *parse, struct tl_span at, const struct tl_token *qualifier,
                                struct tl_ast_expr *expr, const struct tl_token *alias);
struct tl_ast_arg *tl_ast_arg(struct tl_parse *parse, enum tl_ast_arg_kind kind, struct tl_span at, struct tl_ast_names names,
                              struct tl_ast_names partition, struct tl_ast_expr *expr);
struct tl_ast_from *tl_ast_from(struct tl_parse *parse, struct tl_span at, struct tl_ast_name name, struct tl_ast_select *select,
                                struct tl_ast_arg *args);
struct tl_ast_select *tl_ast_select(struct tl_parse *parse, struct tl_token at, struct tl_ast_item *items,
                                    struct tl_ast_from *from, struct tl_ast_expr *where, struct tl_token group_at,
                                    struct tl_ast_list group);
struct tl_ast_check *tl_ast_check(struct tl_parse *parse, struct tl_ast_expr *expr);
struct tl_ast_statement *tl_ast_statement(struct tl_parse *parse, enum tl_ast_statement_kind kind, struct tl_ast_name name);
/* Appends it to the script; NULL (an empty statement) is fine. */
void tl_ast_statement_end(struct tl_parse *parse, struct tl_ast_statement *statement);
/* A token that cannot stand here. `accepted[t]` is set for each token that could. */
void tl_ast_unexpected(struct tl_parse *parse, int kind, struct tl_token token, const bool *accepted, int accepted_count);
/* Records a mistake found while parsing, unless there is one already. */
TL_PRINTF(4, 5) void tl_ast_refuse(struct tl_parse *parse, struct tl_span at, const char *hint, const char *fmt, ...);
void tl_ast_no_memory(struct tl_parse *parse);

#endif
