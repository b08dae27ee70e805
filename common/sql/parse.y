/* parse.y: the grammar of a views file, and of a checks file, for lemon. What it does not take, tl_ast_unexpected (ast.c) puts into a
 * sentence. Which of the two it is, a token says that the lexer never gives: the expressions are the same, the statements are not. */
%name tl_parser
%token_prefix TL_TK_
%token_type {struct tl_token}
%extra_context {struct tl_parse *parse}
%stack_size 0
%start_symbol script

%include {
#include <stdlib.h>
#include <string.h>

#include "sql/ast.h"

static const struct tl_token no_token;

static struct tl_ast_list list_of(struct tl_ast_expr *a, struct tl_ast_expr *b)
{
    struct tl_ast_list list = tl_ast_list_add((struct tl_ast_list){0}, a);

    return b != NULL ? tl_ast_list_add(list, b) : list;
}
}

%syntax_error {
    bool accepted[YYNTOKEN] = {false};

    for (int t = 1; t < YYNTOKEN; t++)
        accepted[t] = yy_find_shift_action((YYCODETYPE)t, yypParser->yytos->stateno) < YY_MAX_REDUCE &&
                      yy_find_shift_action((YYCODETYPE)t, yypParser->yytos->stateno) != YY_ERROR_ACTION;
    tl_ast_unexpected(parse, yymajor, TOKEN, accepted, YYNTOKEN);
}
%stack_overflow { tl_ast_no_memory(parse); }

/* Words that Flink does not reserve may be names wherever they mean nothing else. */
%fallback IDENT COMMENT ENFORCED KEY VIEW TEMPORARY IF REPLACE BOTH LEADING TRAILING POSITION DEFAULT ADD EXPECT VIOLATION ROW FAIL
          UPDATE WARN.

/* From loose to tight, as in Calcite: IS binds looser than a comparison, IN, LIKE and BETWEEN tighter. */
%left OR.
%left AND.
%right NOT.
%left IS.
%left EQ NE LT LE GT GE.
%left BETWEEN IN LIKE.
%nonassoc ESCAPE.
%left PLUS MINUS.
%left STAR SLASH PERCENT CONCAT.
%right UNARY.
%nonassoc TO.

/* Known to the lexer, taken nowhere: each has a sentence of its own in ast.c. */
%token ILLEGAL ALTER CROSS DROP EXCEPT EXECUTE EXISTS FETCH FULL FUNCTION INNER INSERT INTERSECT JOIN LATERAL LEFT
       LIMIT MATCH_RECOGNIZE METADATA NATURAL OFFSET ON ORDER OVER RIGHT SIMILAR UNION UNIQUE VALUES.

script ::= VIEWS_FILE statements.
script ::= CHECKS_FILE checks.
statements ::= .
statements ::= statements statement(A) SEMI. { tl_ast_statement_end(parse, A); }

/* --- statements --------------------------------------------------------------------------------------------------------- */
%type statement {struct tl_ast_statement *}
statement(R) ::= . { R = NULL; }
statement(R) ::= SET. { R = tl_ast_statement(parse, TL_AST_SHOW_SETTINGS, (struct tl_ast_name){0}); }
statement(R) ::= SET STRING(K) EQ STRING(V). {
    R = tl_ast_statement(parse, TL_AST_SET, tl_ast_text(parse, K));
    if (R)
        R->value = tl_ast_text(parse, V);
}
statement(R) ::= RESET. { R = tl_ast_statement(parse, TL_AST_RESET, (struct tl_ast_name){0}); }
statement(R) ::= RESET STRING(K). { R = tl_ast_statement(parse, TL_AST_RESET, tl_ast_text(parse, K)); }
statement(R) ::= CREATE temporary(T) TABLE if_not_exists(I) name(N) LP columns(C) RP comment(M) partitioned with(W). {
    R = tl_ast_statement(parse, TL_AST_CREATE_TABLE, N);
    if (R) {
        R->temporary = T;
        R->if_not_exists = I;
        R->columns = C.first;
        R->comment = M;
        R->options = W.first;
    }
}
statement(R) ::= CREATE temporary(T) VIEW if_not_exists(I) name(N) view_names(L) comment(M) AS query(Q). {
    R = tl_ast_statement(parse, TL_AST_CREATE_VIEW, N);
    if (R) {
        R->temporary = T;
        R->if_not_exists = I;
        R->names = L;
        R->comment = M;
        R->select = Q;
        if (Q)
            R->select_at = tl_span_join(Q->at, parse->last.at);
    }
}

/* --- checks ----------------------------------------------------------------------------------------------------------------- */
%include {
struct check_action {
    enum tl_ast_violation violation;
    struct tl_span at;
};
struct check_words {
    struct tl_token percent, of, median, days, unit;
};

/* The words behind a bound know no place in SQL, so they are names to the lexer. */
static void median_words(struct tl_parse *parse, struct tl_ast_check *check, struct check_words words)
{
    static const char hint[] = "write ROW_COUNT BETWEEN 50 AND 200 PERCENT OF MEDIAN OVER 14 DAYS";
    const struct {
        struct tl_token token;
        const char *word;
    } wanted[] = {{words.percent, "PERCENT"}, {words.of, "OF"}, {words.median, "MEDIAN"}, {words.unit, "DAYS"}};

    if (check == NULL)
        return;
    for (size_t i = 0; i < TL_COUNT(wanted); i++)
        if (!tl_sv_eq_nocase(wanted[i].token.text, tl_sv_from(wanted[i].word)) &&
            !(i == 3 && tl_sv_eq_nocase(wanted[i].token.text, TL_SV("DAY"))))
            tl_ast_refuse(parse, wanted[i].token.at, hint, "%s belongs here", wanted[i].word);
    check->days = tl_ast_name(parse, words.days);
    check->median_at = tl_span_join(words.percent.at, words.unit.at);
}
}
checks ::= .
checks ::= checks check(A) SEMI. { tl_ast_statement_end(parse, A); }
%type check {struct tl_ast_statement *}
check(R) ::= . { R = NULL; }
check(R) ::= ALTER TABLE name(N) constraint(C). {
    R = tl_ast_statement(parse, TL_AST_ALTER_TABLE, N);
    if (R)
        R->check = C;
}
check(R) ::= ALTER VIEW name(N) constraint(C). {
    R = tl_ast_statement(parse, TL_AST_ALTER_VIEW, N);
    if (R)
        R->check = C;
}
%type constraint {struct tl_ast_check *}
constraint(R) ::= ADD CONSTRAINT IDENT(N) EXPECT LP expectation(E) RP action(A). {
    R = E;
    if (R) {
        R->name = tl_ast_name(parse, N);
        R->violation = A.violation;
        R->violation_at = A.at;
    }
}
%type expectation {struct tl_ast_check *}
expectation(R) ::= expr(E). { R = tl_ast_check(parse, E); }
expectation(R) ::= expr(E) IDENT(P) IDENT(O) IDENT(M) OVER INTEGER(D) IDENT(U). {
    R = tl_ast_check(parse, E);
    median_words(parse, R, (struct check_words){P, O, M, D, U});
}
expectation(R) ::= UNIQUE(U) LP names(L) RP(Z). {
    R = tl_ast_check(parse, NULL);
    if (R) {
        R->unique = L;
        R->unique_at = tl_span_join(U.at, Z.at);
    }
}
%type action {struct check_action}
action(R) ::= . { R = (struct check_action){TL_AST_VIOLATION_WARN, parse->last.at}; }
action(R) ::= ON VIOLATION WARN(W). { R = (struct check_action){TL_AST_VIOLATION_WARN, W.at}; }
action(R) ::= ON VIOLATION DROP(D) ROW(Z). { R = (struct check_action){TL_AST_VIOLATION_DROP_ROW, tl_span_join(D.at, Z.at)}; }
action(R) ::= ON VIOLATION FAIL(F) UPDATE(Z). { R = (struct check_action){TL_AST_VIOLATION_FAIL_UPDATE, tl_span_join(F.at, Z.at)}; }

%type temporary {bool}
temporary(R) ::= . { R = false; }
temporary(R) ::= TEMPORARY. { R = true; }
%type if_not_exists {bool}
if_not_exists(R) ::= . { R = false; }
if_not_exists(R) ::= IF NOT EXISTS. { R = true; }
%type comment {struct tl_sv}
comment(R) ::= . { R = (struct tl_sv){NULL, 0}; }
comment(R) ::= COMMENT STRING(S). { R = tl_ast_text(parse, S).text; }
%type name {struct tl_ast_name}
name(R) ::= IDENT(N). { R = tl_ast_name(parse, N); }
name(R) ::= IDENT(N) DOT IDENT(M). {
    R = tl_ast_name(parse, M);
    tl_ast_refuse(parse, tl_span_join(N.at, M.at), "write the last part alone: a views file is one database", "a name of one part is wanted here");
}
name(R) ::= IDENT(N) DOT IDENT DOT IDENT(M). {
    R = tl_ast_name(parse, M);
    tl_ast_refuse(parse, tl_span_join(N.at, M.at), "write the last part alone: a views file is one database", "a name of one part is wanted here");
}
%type names {struct tl_ast_names}
names(R) ::= IDENT(N). { R = tl_ast_names_add(parse, (struct tl_ast_names){0}, tl_ast_name(parse, N)); }
names(R) ::= names(L) COMMA IDENT(N). { R = tl_ast_names_add(parse, L, tl_ast_name(parse, N)); }
%type view_names {struct tl_ast_names}
view_names(R) ::= . { R = (struct tl_ast_names){0}; }
view_names(R) ::= LP view_name_list(L) RP. { R = L; }
%type view_name_list {struct tl_ast_names}
view_name_list(R) ::= IDENT(N) comment. { R = tl_ast_names_add(parse, (struct tl_ast_names){0}, tl_ast_name(parse, N)); }
view_name_list(R) ::= view_name_list(L) COMMA IDENT(N) comment. { R = tl_ast_names_add(parse, L, tl_ast_name(parse, N)); }

/* --- tables --------------------------------------------------------------------------------------------------------------- */
%include {
struct column_list {
    struct tl_ast_column *first, *last;
};
struct option_list {
    struct tl_ast_option *first, *last;
};
struct item_list {
    struct tl_ast_item *first, *last;
};
struct arg_list {
    struct tl_ast_arg *first, *last;
};

/* Lists hang together by `next`; an item that could not be made is left out, parse->rc says so. */
#define LIST_ADD(list, item)                                                                                                     \
    do {                                                                                                                         \
        if ((item) != NULL) {                                                                                                    \
            if ((list).last)                                                                                                     \
                (list).last->next = (item);                                                                                      \
            else                                                                                                                 \
                (list).first = (item);                                                                                           \
            (list).last = (item);                                                                                                \
        }                                                                                                                        \
    } while (0)
}
%type columns {struct column_list}
columns(R) ::= column(C). { R = (struct column_list){0}; LIST_ADD(R, C); }
columns(R) ::= columns(L) COMMA column(C). { R = L; LIST_ADD(R, C); }
%type column {struct tl_ast_column *}
column(R) ::= IDENT(N) type(T) constraints comment. { R = tl_ast_table_column(parse, TL_AST_PHYSICAL, N, N, &T, NULL); }
column(R) ::= IDENT(N) AS expr(E) comment. { R = tl_ast_table_column(parse, TL_AST_COMPUTED, N, N, NULL, E); }
column(R) ::= WATERMARK(W) FOR IDENT(N) AS expr(E). { R = tl_ast_table_column(parse, TL_AST_WATERMARK, W, N, NULL, E); }
column(R) ::= primary. { R = NULL; }
column(R) ::= CONSTRAINT IDENT primary. { R = NULL; }
primary ::= PRIMARY KEY LP names RP NOT ENFORCED.
constraints ::= .
constraints ::= constraints NOT NULL.
constraints ::= constraints NULL.
constraints ::= constraints PRIMARY KEY NOT ENFORCED.
partitioned ::= .
partitioned ::= PARTITIONED BY LP names RP.
%type with {struct option_list}
with(R) ::= . { R = (struct option_list){0}; }
with(R) ::= WITH LP options(L) RP. { R = L; }
%type options {struct option_list}
options(R) ::= option(O). { R = (struct option_list){0}; LIST_ADD(R, O); }
options(R) ::= options(L) COMMA option(O). { R = L; LIST_ADD(R, O); }
%type option {struct tl_ast_option *}
option(R) ::= STRING(K) EQ STRING(V). { R = tl_ast_option(parse, K, V); }

%type type {struct tl_ast_type}
type(R) ::= IDENT(N). { R = tl_ast_type(N, NULL, NULL); }
type(R) ::= IDENT(N) IDENT(M). { R = tl_ast_type(N, &M, &M); }
type(R) ::= IDENT(N) LP INTEGER(P) RP. { R = tl_ast_type(N, NULL, NULL); tl_ast_type_number(parse, &R, P); }
type(R) ::= IDENT(N) LP INTEGER(P) COMMA INTEGER(S) RP. {
    R = tl_ast_type(N, NULL, NULL);
    tl_ast_type_number(parse, &R, P);
    tl_ast_type_number(parse, &R, S);
}
type(R) ::= TIMESTAMP(N). { R = tl_ast_type(N, NULL, NULL); }
type(R) ::= TIMESTAMP(N) zone(Z). { R = tl_ast_type(N, &Z.first, &Z.last); }
type(R) ::= TIMESTAMP(N) LP INTEGER(P) RP. { R = tl_ast_type(N, NULL, NULL); tl_ast_type_number(parse, &R, P); }
type(R) ::= TIMESTAMP(N) LP INTEGER(P) RP zone(Z). {
    R = tl_ast_type(N, &Z.first, &Z.last);
    tl_ast_type_number(parse, &R, P);
}
%include {
struct zone_words {
    struct tl_token first, last;
};
}
/* WITHOUT TIME ZONE, WITH TIME ZONE, WITH LOCAL TIME ZONE: which of them is right, the binder says. */
%type zone {struct zone_words}
zone(R) ::= IDENT(A) IDENT IDENT(B). { R = (struct zone_words){A, B}; }
zone(R) ::= WITH(A) IDENT IDENT(B). { R = (struct zone_words){A, B}; }
zone(R) ::= WITH(A) IDENT IDENT IDENT(B). { R = (struct zone_words){A, B}; }

/* --- queries -------------------------------------------------------------------------------------------------------------- */
%type query {struct tl_ast_select *}
query(R) ::= SELECT(S) items(I) FROM from(F) where(W) group(G) having(H). {
    R = tl_ast_select(parse, S, I.first, F, W, G.at, G.list);
    if (R) {
        R->having_at = H.at.at;
        R->having = H.condition;
    }
}
%type items {struct item_list}
items(R) ::= item(I). { R = (struct item_list){0}; LIST_ADD(R, I); }
items(R) ::= items(L) COMMA item(I). { R = L; LIST_ADD(R, I); }
%type item {struct tl_ast_item *}
item(R) ::= STAR(S). { R = tl_ast_item(parse, S.at, NULL, NULL, NULL); }
item(R) ::= IDENT(Q) DOT STAR(S). { R = tl_ast_item(parse, tl_span_join(Q.at, S.at), &Q, NULL, NULL); }
item(R) ::= expr(E). { R = tl_ast_item(parse, E ? E->at : parse->last.at, NULL, E, NULL); }
item(R) ::= expr(E) AS IDENT(A). { R = tl_ast_item(parse, E ? E->at : A.at, NULL, E, &A); }
item(R) ::= expr(E) IDENT(A). { R = tl_ast_item(parse, E ? E->at : A.at, NULL, E, &A); }

%type from {struct tl_ast_from *}
from(R) ::= source(S). { R = S; }
from(R) ::= source(S) AS IDENT(A). { R = S; if (R) R->alias = tl_ast_name(parse, A); }
from(R) ::= source(S) IDENT(A). { R = S; if (R) R->alias = tl_ast_name(parse, A); }
%type source {struct tl_ast_from *}
source(R) ::= name(N). { R = tl_ast_from(parse, N.at, N, NULL, NULL); }
source(R) ::= LP(A) query(Q) RP(B). { R = tl_ast_from(parse, tl_span_join(A.at, B.at), (struct tl_ast_name){0}, Q, NULL); }
source(R) ::= TABLE LP window(W) RP. { R = W; }
source(R) ::= window(W). { R = W; }
%type window {struct tl_ast_from *}
window(R) ::= IDENT(N) LP args(A) RP(Z). { R = tl_ast_from(parse, tl_span_join(N.at, Z.at), tl_ast_name(parse, N), NULL, A.first); }
%type args {struct arg_list}
args(R) ::= arg(A). { R = (struct arg_list){0}; LIST_ADD(R, A); }
args(R) ::= args(L) COMMA arg(A). { R = L; LIST_ADD(R, A); }
%type arg {struct tl_ast_arg *}
arg(R) ::= arg_value(V). { R = V; }
arg(R) ::= IDENT(N) ARROW arg_value(V). { R = V; if (R) R->label = tl_ast_name(parse, N); }
%type arg_value {struct tl_ast_arg *}
arg_value(R) ::= TABLE(T) name(N) partition(P). {
    R = tl_ast_arg(parse, TL_AST_ARG_TABLE, tl_span_join(T.at, N.at), tl_ast_names_add(parse, (struct tl_ast_names){0}, N), P, NULL);
}
arg_value(R) ::= DESCRIPTOR(D) LP names(L) RP(Z). {
    R = tl_ast_arg(parse, TL_AST_ARG_DESCRIPTOR, tl_span_join(D.at, Z.at), L, (struct tl_ast_names){0}, NULL);
}
arg_value(R) ::= expr(E). {
    R = tl_ast_arg(parse, TL_AST_ARG_EXPR, E ? E->at : parse->last.at, (struct tl_ast_names){0}, (struct tl_ast_names){0}, E);
}
%type partition {struct tl_ast_names}
partition(R) ::= . { R = (struct tl_ast_names){0}; }
partition(R) ::= PARTITION BY IDENT(N). { R = tl_ast_names_add(parse, (struct tl_ast_names){0}, tl_ast_name(parse, N)); }
partition(R) ::= PARTITION BY LP names(L) RP. { R = L; }
%type where {struct tl_ast_expr *}
where(R) ::= . { R = NULL; }
where(R) ::= WHERE expr(E). { R = E; }
%include {
struct group_list {
    struct tl_token at;
    struct tl_ast_list list;
};
}
%type group {struct group_list}
group(R) ::= . { R = (struct group_list){0}; }
group(R) ::= GROUP(G) BY exprs(L). { R = (struct group_list){G, L}; }
%include {
struct having {
    struct tl_token at;
    struct tl_ast_expr *condition;
};
}
%type having {struct having}
having(R) ::= . { R = (struct having){0}; }
having(R) ::= HAVING(H) expr(E). { R = (struct having){H, E}; }

/* --- expressions ---------------------------------------------------------------------------------------------------------- */
%type exprs {struct tl_ast_list}
exprs(R) ::= expr(E). { R = tl_ast_list_add((struct tl_ast_list){0}, E); }
exprs(R) ::= exprs(L) COMMA expr(E). { R = tl_ast_list_add(L, E); }
%type expr {struct tl_ast_expr *}
expr(R) ::= INTEGER(T). { R = tl_ast_literal(parse, TL_AST_NUMBER, T, T); }
expr(R) ::= DECIMAL(T). { R = tl_ast_literal(parse, TL_AST_NUMBER, T, T); }
expr(R) ::= TRUE(T). { R = tl_ast_literal(parse, TL_AST_TRUE, T, T); }
expr(R) ::= FALSE(T). { R = tl_ast_literal(parse, TL_AST_FALSE, T, T); }
expr(R) ::= UNKNOWN(T). { R = tl_ast_literal(parse, TL_AST_NULL, T, T); }
expr(R) ::= TIMESTAMP(W) STRING(T). { R = tl_ast_literal(parse, TL_AST_TIMESTAMP, W, T); }
expr(R) ::= IDENT(W) STRING(T). {
    bool is_list = parse->file == TL_SQL_CHECKS && tl_sv_eq_nocase(W.text, TL_SV("FILE"));

    R = is_list ? tl_ast_literal(parse, TL_AST_FILE, W, T) : NULL;
    if (!is_list)
        tl_ast_refuse(parse, tl_span_join(W.at, T.at), "texts with a type are TIMESTAMP '2024-03-01 10:00:00' and INTERVAL '5' MINUTE",
                      "'%.*s' in front of a text has no meaning here", TL_SV_ARG(W.text));
}
expr(R) ::= INTERVAL(W) STRING(T) IDENT(U). [UNARY] { R = tl_ast_interval(parse, W, T, U, no_token, U); }
expr(R) ::= INTERVAL(W) STRING(T) IDENT(U) LP INTEGER(P) RP(Z). { R = tl_ast_interval(parse, W, T, U, P, Z); }
expr(R) ::= INTERVAL(W) STRING(T) IDENT(U) LP INTEGER(P) COMMA INTEGER RP(Z). { R = tl_ast_interval(parse, W, T, U, P, Z); }
expr(R) ::= INTERVAL(W) STRING IDENT TO IDENT(U). {
    R = NULL;
    tl_ast_refuse(parse, tl_span_join(W.at, U.at), "write it in one unit: INTERVAL '90' SECOND", "an interval of two units has no place here");
}
expr(R) ::= operand(A). { R = A; }
/* What may be a text and begins with no bracket. */
%type operand {struct tl_ast_expr *}
operand(R) ::= STRING(T). { R = tl_ast_literal(parse, TL_AST_STRING, T, T); }
operand(R) ::= NULL(T). { R = tl_ast_literal(parse, TL_AST_NULL, T, T); }
operand(R) ::= IDENT(N). { R = tl_ast_column(parse, NULL, N); }
operand(R) ::= IDENT(Q) DOT IDENT(N). { R = tl_ast_column(parse, &Q, N); }
operand(R) ::= CAST(C) LP expr(E) AS type(T) RP(Z). { R = tl_ast_cast(parse, C, E, T, false, Z); }
operand(R) ::= TRY_CAST(C) LP expr(E) AS type(T) RP(Z). { R = tl_ast_cast(parse, C, E, T, true, Z); }
operand(R) ::= CASE(C) case_operand(O) arms(A) case_else(E) END(Z). { R = tl_ast_case(parse, C, O, A, E, Z); }
operand(R) ::= call(C). { R = C; }
expr(R) ::= call(C) FILTER(F) LP WHERE expr(E) RP(Z). { R = tl_ast_filter(parse, C, F, E, Z); }
%type call {struct tl_ast_expr *}
call(R) ::= IDENT(N) LP RP(Z). { R = tl_ast_call(parse, N, (struct tl_ast_list){0}, false, false, Z); }
call(R) ::= IDENT(N) LP exprs(L) RP(Z). { R = tl_ast_call(parse, N, L, false, false, Z); }
call(R) ::= IDENT(N) LP ALL exprs(L) RP(Z). { R = tl_ast_call(parse, N, L, false, false, Z); }
call(R) ::= IDENT(N) LP DISTINCT exprs(L) RP(Z). { R = tl_ast_call(parse, N, L, false, true, Z); }
call(R) ::= IDENT(N) LP STAR RP(Z). { R = tl_ast_call(parse, N, (struct tl_ast_list){0}, true, false, Z); }
call(R) ::= IDENT(N) LP DISTINCT STAR RP(Z). { R = tl_ast_call(parse, N, (struct tl_ast_list){0}, true, true, Z); }
call(R) ::= LEFT(N) LP exprs(L) RP(Z). { R = tl_ast_call(parse, N, L, false, false, Z); }
call(R) ::= RIGHT(N) LP exprs(L) RP(Z). { R = tl_ast_call(parse, N, L, false, false, Z); }
call(R) ::= IDENT(N) LP expr(A) TO IDENT(U) RP(Z). { R = tl_ast_call_words(parse, N, "TO", list_of(A, tl_ast_column(parse, NULL, U)), Z); }
call(R) ::= IDENT(N) LP expr(A) FROM expr(B) RP(Z). { R = tl_ast_call_words(parse, N, "FROM", list_of(A, B), Z); }
call(R) ::= IDENT(N) LP expr(A) FROM expr(B) FOR expr(C) RP(Z). {
    R = tl_ast_call_words(parse, N, "FROM", tl_ast_list_add(list_of(A, B), C), Z);
}
call(R) ::= IDENT(N) LP side(S) FROM expr(B) RP(Z). {
    R = tl_ast_call_words(parse, N, "FROM", tl_ast_list_add(list_of(tl_ast_column(parse, NULL, S), tl_ast_implied(parse, S, " ")), B), Z);
}
call(R) ::= IDENT(N) LP side(S) expr(A) FROM expr(B) RP(Z). {
    R = tl_ast_call_words(parse, N, "FROM", tl_ast_list_add(list_of(tl_ast_column(parse, NULL, S), A), B), Z);
}
%type side {struct tl_token}
side(R) ::= BOTH(T). { R = T; }
side(R) ::= LEADING(T). { R = T; }
side(R) ::= TRAILING(T). { R = T; }
/* Behind IN stands what begins with no bracket: POSITION('a' IN (x)) is the operator IN, and put right here. */
expr(R) ::= POSITION(N). { R = tl_ast_column(parse, NULL, N); }
call(R) ::= POSITION(N) LP expr(A) RP(Z). {
    bool is_in = A && A->op == TL_AST_IN && A->args_count == 2;

    R = is_in ? tl_ast_call_words(parse, N, "IN", list_of(A->args, A->args_last), Z)
              : tl_ast_call(parse, N, list_of(A, NULL), false, false, Z);
}
call(R) ::= POSITION(N) LP expr(A) IN searched(B) RP(Z). { R = tl_ast_call_words(parse, N, "IN", list_of(A, B), Z); }
%type searched {struct tl_ast_expr *}
searched(R) ::= operand(A). { R = A; }
searched(R) ::= searched(A) CONCAT(T) operand(B). { R = tl_ast_infix(parse, "||", T, A, B); }

/* JSON_VALUE(json, path RETURNING type NULL ON EMPTY ERROR ON ERROR): "JSON_VALUE ON" (json, path, what, value, what, value). */
%include {
struct json_on {
    struct tl_token what; /* NULL, ERROR or DEFAULT; none: not written */
    struct tl_ast_expr *value;
};
struct json_words {
    struct tl_ast_type type;
    struct json_on on_empty, on_error;
};
}
%type json_words {struct json_words}
json_words(R) ::= json_word(W). { R = (struct json_words){0}; json_words_add(parse, &R, W); }
json_words(R) ::= json_words(L) json_word(W). { R = L; json_words_add(parse, &R, W); }
%include {
struct json_word {
    struct tl_ast_type type;
    struct json_on on;
    struct tl_token when; /* EMPTY or ERROR; none: it is RETURNING */
};

static struct json_word json_returning(struct tl_parse *parse, struct tl_token word, struct tl_ast_type type)
{
    if (!tl_sv_eq_nocase(word.text, TL_SV("RETURNING")))
        tl_ast_refuse(parse, word.at, "write RETURNING INT, NULL ON EMPTY, DEFAULT 0 ON ERROR", "'%.*s' has no meaning here",
                      TL_SV_ARG(word.text));
    return (struct json_word){.type = type};
}

static struct json_word json_error(struct tl_parse *parse, struct tl_token what, struct tl_token when)
{
    if (!tl_sv_eq_nocase(what.text, TL_SV("ERROR")))
        tl_ast_refuse(parse, what.at, "write NULL, ERROR or DEFAULT x", "'%.*s' has no meaning before ON", TL_SV_ARG(what.text));
    return (struct json_word){.on = {what, NULL}, .when = when};
}

static void json_words_add(struct tl_parse *parse, struct json_words *words, struct json_word word)
{
    bool is_empty = tl_sv_eq_nocase(word.when.text, TL_SV("EMPTY"));
    struct json_on *on = is_empty ? &words->on_empty : &words->on_error;
    bool again = word.when.text.size > 0 ? on->what.text.size > 0 : words->type.name.size > 0;

    if (again)
        tl_ast_refuse(parse, word.when.text.size > 0 ? word.when.at : word.type.at, "leave one of the two out", "this is said twice");
    else if (word.when.text.size == 0)
        words->type = word.type;
    else if (!is_empty && !tl_sv_eq_nocase(word.when.text, TL_SV("ERROR")))
        tl_ast_refuse(parse, word.when.at, "write ON EMPTY or ON ERROR", "'%.*s' has no meaning behind ON", TL_SV_ARG(word.when.text));
    else
        *on = word.on;
}

/* What happens is written out, also where it is not written: NULL. */
static struct tl_ast_list json_on_add(struct tl_parse *parse, struct tl_ast_list args, struct json_on on, struct tl_token name)
{
    static const char *const names[] = {"NULL", "ERROR", "DEFAULT"};
    const char *what = "NULL";

    for (size_t i = 0; i < TL_COUNT(names); i++)
        if (tl_sv_eq_nocase(on.what.text, tl_sv_from(names[i])))
            what = names[i];
    args = tl_ast_list_add(args, tl_ast_implied(parse, name, what));
    return tl_ast_list_add(args, on.value != NULL ? on.value : tl_ast_literal(parse, TL_AST_NULL, name, name));
}

static struct tl_ast_expr *json_call(struct tl_parse *parse, struct tl_token name, struct tl_ast_list args, struct json_words words,
                                     struct tl_token last)
{
    struct tl_ast_expr *call;

    args = json_on_add(parse, args, words.on_empty, name);
    args = json_on_add(parse, args, words.on_error, name);
    call = tl_ast_call_words(parse, name, "ON", args, last);
    if (call != NULL) {
        call->type = words.type;
        if (call->type.name.size == 0)
            call->type.name = TL_SV("STRING");
    }
    return call;
}
}
%type json_word {struct json_word}
json_word(R) ::= IDENT(W) IDENT(T). { R = json_returning(parse, W, tl_ast_type(T, NULL, NULL)); }
json_word(R) ::= IDENT(W) IDENT(T) LP INTEGER(P) RP. {
    struct tl_ast_type type = tl_ast_type(T, NULL, NULL);

    tl_ast_type_number(parse, &type, P);
    R = json_returning(parse, W, type);
}
json_word(R) ::= NULL(V) ON IDENT(W). { R = (struct json_word){.on = {V, NULL}, .when = W}; }
json_word(R) ::= IDENT(V) ON IDENT(W). { R = json_error(parse, V, W); }
json_word(R) ::= DEFAULT(V) expr(E) ON IDENT(W). { R = (struct json_word){.on = {V, E}, .when = W}; }
call(R) ::= IDENT(N) LP exprs(L) json_words(W) RP(Z). { R = json_call(parse, N, L, W, Z); }
expr(R) ::= LP(A) expr(E) RP(Z). { R = tl_ast_brackets(E, A, Z); }
expr(R) ::= expr(A) OR(T) expr(B). { R = tl_ast_chain(parse, TL_AST_OR, T, A, B); }
expr(R) ::= expr(A) AND(T) expr(B). { R = tl_ast_chain(parse, TL_AST_AND, T, A, B); }
expr(R) ::= NOT(T) expr(A). { R = tl_ast_prefix(parse, "NOT", T, A); }
expr(R) ::= MINUS(T) expr(A). [UNARY] { R = tl_ast_prefix(parse, "NEGATE", T, A); }
expr(R) ::= PLUS expr(A). [UNARY] { R = A; }
expr(R) ::= expr(A) EQ(T) expr(B). { R = tl_ast_infix(parse, "=", T, A, B); }
expr(R) ::= expr(A) NE(T) expr(B). { R = tl_ast_infix(parse, "<>", T, A, B); }
expr(R) ::= expr(A) LT(T) expr(B). { R = tl_ast_infix(parse, "<", T, A, B); }
expr(R) ::= expr(A) LE(T) expr(B). { R = tl_ast_infix(parse, "<=", T, A, B); }
expr(R) ::= expr(A) GT(T) expr(B). { R = tl_ast_infix(parse, ">", T, A, B); }
expr(R) ::= expr(A) GE(T) expr(B). { R = tl_ast_infix(parse, ">=", T, A, B); }
expr(R) ::= expr(A) PLUS(T) expr(B). { R = tl_ast_infix(parse, "+", T, A, B); }
expr(R) ::= expr(A) MINUS(T) expr(B). { R = tl_ast_infix(parse, "-", T, A, B); }
expr(R) ::= expr(A) STAR(T) expr(B). { R = tl_ast_infix(parse, "*", T, A, B); }
expr(R) ::= expr(A) SLASH(T) expr(B). { R = tl_ast_infix(parse, "/", T, A, B); }
expr(R) ::= expr(A) PERCENT(T) expr(B). { R = tl_ast_infix(parse, "%", T, A, B); }
expr(R) ::= expr(A) CONCAT(T) expr(B). { R = tl_ast_infix(parse, "||", T, A, B); }
expr(R) ::= expr(A) IS(T) NULL(Z). { R = tl_ast_suffix(parse, "IS NULL", T, Z, A); }
expr(R) ::= expr(A) IS(T) NOT NULL(Z). { R = tl_ast_suffix(parse, "IS NOT NULL", T, Z, A); }
expr(R) ::= expr(A) IS(T) UNKNOWN(Z). { R = tl_ast_suffix(parse, "IS NULL", T, Z, A); }
expr(R) ::= expr(A) IS(T) NOT UNKNOWN(Z). { R = tl_ast_suffix(parse, "IS NOT NULL", T, Z, A); }
expr(R) ::= expr(A) IS(T) TRUE(Z). { R = tl_ast_suffix(parse, "IS TRUE", T, Z, A); }
expr(R) ::= expr(A) IS(T) NOT TRUE(Z). { R = tl_ast_prefix(parse, "NOT", T, tl_ast_suffix(parse, "IS TRUE", T, Z, A)); }
expr(R) ::= expr(A) IS(T) FALSE(Z). { R = tl_ast_suffix(parse, "IS FALSE", T, Z, A); }
expr(R) ::= expr(A) IS(T) NOT FALSE(Z). { R = tl_ast_prefix(parse, "NOT", T, tl_ast_suffix(parse, "IS FALSE", T, Z, A)); }

/* X [NOT] LIKE ...: `negated` wraps the whole in NOT. */
%include {
struct word {
    struct tl_token at;
    bool negated;
};

static struct tl_ast_expr *maybe_not(struct tl_parse *parse, struct word word, struct tl_ast_expr *expr)
{
    return word.negated ? tl_ast_prefix(parse, "NOT", word.at, expr) : expr;
}

static struct tl_span end_of(struct tl_parse *parse, const struct tl_ast_expr *expr)
{
    return expr != NULL ? expr->at : parse->last.at;
}
}
%type like {struct word}
like(R) ::= LIKE(T). { R = (struct word){T, false}; }
like(R) ::= NOT(T) LIKE. [LIKE] { R = (struct word){T, true}; }
%type in {struct word}
in(R) ::= IN(T). { R = (struct word){T, false}; }
in(R) ::= NOT(T) IN. [IN] { R = (struct word){T, true}; }
%type between {struct word}
between(R) ::= BETWEEN(T). { R = (struct word){T, false}; }
between(R) ::= NOT(T) BETWEEN. [BETWEEN] { R = (struct word){T, true}; }
expr(R) ::= expr(A) like(W) expr(P). [LIKE] {
    R = maybe_not(parse, W, tl_ast_over(parse, TL_AST_OPERATOR, "LIKE", W.at, A, list_of(P, NULL), end_of(parse, P)));
}
expr(R) ::= expr(A) like(W) expr(P) ESCAPE expr(E). [LIKE] {
    R = maybe_not(parse, W, tl_ast_over(parse, TL_AST_OPERATOR, "LIKE", W.at, A, list_of(P, E), end_of(parse, E)));
}
expr(R) ::= expr(A) between(W) expr(L) AND expr(H). [BETWEEN] {
    R = maybe_not(parse, W, tl_ast_over(parse, TL_AST_BETWEEN, "BETWEEN", W.at, A, list_of(L, H), end_of(parse, H)));
}
expr(R) ::= expr(A) in(W) LP exprs(L) RP(Z). [IN] {
    R = maybe_not(parse, W, tl_ast_over(parse, TL_AST_IN, "IN", W.at, A, L, Z.at));
}
%type case_operand {struct tl_ast_expr *}
case_operand(R) ::= . { R = NULL; }
case_operand(R) ::= expr(E). { R = E; }
%type arms {struct tl_ast_list}
arms(R) ::= WHEN expr(C) THEN expr(V). { R = list_of(C, V); }
arms(R) ::= arms(L) WHEN expr(C) THEN expr(V). { R = tl_ast_list_add(tl_ast_list_add(L, C), V); }
%type case_else {struct tl_ast_expr *}
case_else(R) ::= . { R = NULL; }
case_else(R) ::= ELSE expr(E). { R = E; }

%code {
static bool text_is_utf8(struct tl_parse *parse)
{
    const unsigned char *at = (const unsigned char *)parse->text.text.data;
    size_t size = parse->text.text.size;

    for (size_t i = 0; i < size;) {
        unsigned char c = at[i];
        size_t more = c < 0x80 ? 0 : c >= 0xC2 && c < 0xE0 ? 1 : c >= 0xE0 && c < 0xF0 ? 2 : c >= 0xF0 && c < 0xF5 ? 3 : 4;
        bool good = more < 4 && c != 0 && i + more < size;

        for (size_t k = 1; good && k <= more; k++)
            good = (at[i + k] & 0xC0u) == 0x80u;
        if (good && more > 1) /* overlong forms, surrogates, beyond U+10FFFF */
            good = !((c == 0xE0 && at[i + 1] < 0xA0) || (c == 0xED && at[i + 1] > 0x9F) || (c == 0xF0 && at[i + 1] < 0x90) ||
                     (c == 0xF4 && at[i + 1] > 0x8F));
        if (!good) {
            tl_ast_refuse(parse, tl_span_at(&parse->text, i, 1), "save the file as UTF-8",
                          c == 0 ? "a zero byte is no text" : "this byte (0x%02X) is not UTF-8", c);
            return false;
        }
        i += more + 1;
    }
    return true;
}

static void parse_tokens(struct tl_parse *parse, yyParser *parser)
{
    uint32_t depth = 0;
    int kind;

    tl_parser(parser, parse->file == TL_SQL_CHECKS ? TL_TK_CHECKS_FILE : TL_TK_VIEWS_FILE, no_token);
    do {
        struct tl_token token;

        kind = tl_lex_next(&parse->lex, &token);
        if (kind == 0) { /* the last statement needs no semicolon */
            parse->token_kind = 0;
            tl_parser(parser, TL_TK_SEMI, token);
            break;
        }
        if (kind == TL_TK_LP && ++depth > TL_SQL_DEPTH_MAX)
            tl_ast_refuse(parse, token.at, "split it into several views", "brackets are nested deeper than %d", TL_SQL_DEPTH_MAX);
        if (kind == TL_TK_RP && depth > 0)
            depth--;
        if (parse->last_kind == TL_TK_SEMI) {
            parse->first = token;
            parse->clause = 0;
        }
        parse->token_kind = kind;
        if (parse->rc == TL_OK)
            tl_parser(parser, kind, token);
        if (kind == TL_TK_SELECT || kind == TL_TK_FROM || kind == TL_TK_GROUP || kind == TL_TK_HAVING ||
            (kind == TL_TK_WHERE && parse->clause == TL_TK_FROM)) /* FILTER has a WHERE too */
            parse->clause = kind;
        parse->last = token;
        parse->last_kind = kind;
        if (kind == TL_TK_SEMI)
            depth = 0;
    } while (parse->rc == TL_OK);
    if (parse->rc == TL_OK)
        tl_parser(parser, 0, no_token);
}

enum tl_code tl_sql_parse(enum tl_sql_file file, struct tl_sv text, const char *name, struct tl_arena *arena, struct tl_script *out,
                          struct tl_err *err)
{
    struct tl_parse parse = {.file = file, .arena = arena, .err = err, .rc = TL_OK, .last_kind = TL_TK_SEMI};
    struct tl_sv copy;
    yyParser *parser;

    if (text.size > TL_SQL_BYTES_MAX)
        return tl_fail(err, TL_ERR_DEFINITION, "%s: a %s file has at most %d bytes, this one has %zu", name,
                       file == TL_SQL_CHECKS ? "checks" : "views", TL_SQL_BYTES_MAX, text.size);
    if (!tl_arena_copy(arena, text, &copy))
        return tl_fail_memory(err, text.size);
    parse.text = (struct tl_text){name, copy};
    if (!text_is_utf8(&parse))
        return parse.rc;
    tl_lex_init(&parse.lex, copy.data);
    parser = tl_parserAlloc(malloc, &parse);
    if (parser == NULL)
        return tl_fail_memory(err, sizeof *parser);
    parse_tokens(&parse, parser);
    tl_parserFree(parser, free);
    if (parse.rc != TL_OK)
        return parse.rc;
    out->text = parse.text;
    out->statements = parse.statements;
    out->statements_count = parse.statements_count;
    out->end = tl_span_at(&parse.text, copy.size, 0);
    return TL_OK;
}
}
