/* lex.re: text -> tokens. */
#include "sql/lex.h"

#include <string.h>

#include "sql/parse.h"

struct word {
    const char *text;
    int token;
};

/* In alphabetical order: tl_lex_keyword halves it. */
static const struct word words[] = {
    {"ADD", TL_TK_ADD},
    {"ALL", TL_TK_ALL},
    {"ALTER", TL_TK_ALTER},
    {"AND", TL_TK_AND},
    {"AS", TL_TK_AS},
    {"BETWEEN", TL_TK_BETWEEN},
    {"BOTH", TL_TK_BOTH},
    {"BY", TL_TK_BY},
    {"CASE", TL_TK_CASE},
    {"CAST", TL_TK_CAST},
    {"COMMENT", TL_TK_COMMENT},
    {"CONSTRAINT", TL_TK_CONSTRAINT},
    {"CREATE", TL_TK_CREATE},
    {"CROSS", TL_TK_CROSS},
    {"DEFAULT", TL_TK_DEFAULT},
    {"DESCRIPTOR", TL_TK_DESCRIPTOR},
    {"DISTINCT", TL_TK_DISTINCT},
    {"DROP", TL_TK_DROP},
    {"ELSE", TL_TK_ELSE},
    {"END", TL_TK_END},
    {"ENFORCED", TL_TK_ENFORCED},
    {"ESCAPE", TL_TK_ESCAPE},
    {"EXCEPT", TL_TK_EXCEPT},
    {"EXECUTE", TL_TK_EXECUTE},
    {"EXISTS", TL_TK_EXISTS},
    {"EXPECT", TL_TK_EXPECT},
    {"FAIL", TL_TK_FAIL},
    {"FALSE", TL_TK_FALSE},
    {"FETCH", TL_TK_FETCH},
    {"FILTER", TL_TK_FILTER},
    {"FOR", TL_TK_FOR},
    {"FROM", TL_TK_FROM},
    {"FULL", TL_TK_FULL},
    {"FUNCTION", TL_TK_FUNCTION},
    {"GROUP", TL_TK_GROUP},
    {"HAVING", TL_TK_HAVING},
    {"IF", TL_TK_IF},
    {"IN", TL_TK_IN},
    {"INNER", TL_TK_INNER},
    {"INSERT", TL_TK_INSERT},
    {"INTERSECT", TL_TK_INTERSECT},
    {"INTERVAL", TL_TK_INTERVAL},
    {"IS", TL_TK_IS},
    {"JOIN", TL_TK_JOIN},
    {"KEY", TL_TK_KEY},
    {"LATERAL", TL_TK_LATERAL},
    {"LEADING", TL_TK_LEADING},
    {"LEFT", TL_TK_LEFT},
    {"LIKE", TL_TK_LIKE},
    {"LIMIT", TL_TK_LIMIT},
    {"MATCH_RECOGNIZE", TL_TK_MATCH_RECOGNIZE},
    {"METADATA", TL_TK_METADATA},
    {"NATURAL", TL_TK_NATURAL},
    {"NOT", TL_TK_NOT},
    {"NULL", TL_TK_NULL},
    {"OFFSET", TL_TK_OFFSET},
    {"ON", TL_TK_ON},
    {"OR", TL_TK_OR},
    {"ORDER", TL_TK_ORDER},
    {"OVER", TL_TK_OVER},
    {"PARTITION", TL_TK_PARTITION},
    {"PARTITIONED", TL_TK_PARTITIONED},
    {"POSITION", TL_TK_POSITION},
    {"PRIMARY", TL_TK_PRIMARY},
    {"REPLACE", TL_TK_REPLACE},
    {"RESET", TL_TK_RESET},
    {"RIGHT", TL_TK_RIGHT},
    {"ROW", TL_TK_ROW},
    {"SELECT", TL_TK_SELECT},
    {"SET", TL_TK_SET},
    {"SIMILAR", TL_TK_SIMILAR},
    {"TABLE", TL_TK_TABLE},
    {"TEMPORARY", TL_TK_TEMPORARY},
    {"THEN", TL_TK_THEN},
    {"TIMESTAMP", TL_TK_TIMESTAMP},
    {"TO", TL_TK_TO},
    {"TRAILING", TL_TK_TRAILING},
    {"TRUE", TL_TK_TRUE},
    {"TRY_CAST", TL_TK_TRY_CAST},
    {"UNION", TL_TK_UNION},
    {"UNIQUE", TL_TK_UNIQUE},
    {"UNKNOWN", TL_TK_UNKNOWN},
    {"UPDATE", TL_TK_UPDATE},
    {"VALUES", TL_TK_VALUES},
    {"VIEW", TL_TK_VIEW},
    {"VIOLATION", TL_TK_VIOLATION},
    {"WARN", TL_TK_WARN},
    {"WATERMARK", TL_TK_WATERMARK},
    {"WHEN", TL_TK_WHEN},
    {"WHERE", TL_TK_WHERE},
    {"WITH", TL_TK_WITH},
};

static const struct word marks[] = {
    {"a name", TL_TK_IDENT},     {"a text in quotes", TL_TK_STRING}, {"a number", TL_TK_INTEGER}, {"a number", TL_TK_DECIMAL},
    {"';'", TL_TK_SEMI},         {"','", TL_TK_COMMA},               {"'.'", TL_TK_DOT},          {"'('", TL_TK_LP},
    {"')'", TL_TK_RP},           {"'='", TL_TK_EQ},                  {"'<>'", TL_TK_NE},          {"'<'", TL_TK_LT},
    {"'<='", TL_TK_LE},          {"'>'", TL_TK_GT},                  {"'>='", TL_TK_GE},          {"'+'", TL_TK_PLUS},
    {"'-'", TL_TK_MINUS},        {"'*'", TL_TK_STAR},                {"'/'", TL_TK_SLASH},        {"'%'", TL_TK_PERCENT},
    {"'||'", TL_TK_CONCAT},      {"'=>'", TL_TK_ARROW},
};

static int word_compare(struct tl_sv word, const char *keyword)
{
    for (size_t i = 0; i < word.size; i++) {
        char c = word.data[i] >= 'a' && word.data[i] <= 'z' ? (char)(word.data[i] - 'a' + 'A') : word.data[i];

        if (c != keyword[i])
            return (unsigned char)c < (unsigned char)keyword[i] ? -1 : 1;
    }
    return keyword[word.size] == '\0' ? 0 : -1;
}

int tl_lex_keyword(struct tl_sv word)
{
    size_t low = 0, high = TL_COUNT(words);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = word_compare(word, words[middle].text);

        if (order == 0)
            return words[middle].token;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return 0;
}

const char *tl_lex_name(int token)
{
    for (size_t i = 0; i < TL_COUNT(words); i++)
        if (words[i].token == token)
            return words[i].text;
    for (size_t i = 0; i < TL_COUNT(marks); i++)
        if (marks[i].token == token)
            return marks[i].text;
    return "the end of the file";
}

void tl_lex_init(struct tl_lex *lex, const char *text)
{
    *lex = (struct tl_lex){text, text, {1, 1}, text, NULL, NULL};
    if (strncmp(text, "\xEF\xBB\xBF", 3) == 0)
        lex->at = lex->placed = text + 3; /* a byte order mark is no character of the file */
}

/* Tokens come in order, so places are counted on from the last one: linear in the file. */
static void token_take(struct tl_lex *lex, const char *from, const char *to, struct tl_token *out)
{
    while (lex->placed < from) {
        if (*lex->placed == '\n') {
            lex->place.line++;
            lex->place.column = 1;
        } else if (((unsigned char)*lex->placed & 0xC0u) != 0x80u) {
            lex->place.column++;
        }
        lex->placed++;
    }
    out->at = (struct tl_span){(uint32_t)(from - lex->begin), (uint32_t)(to - from), lex->place};
    out->text = (struct tl_sv){from, (size_t)(to - from)};
}

static int token_illegal(struct tl_lex *lex, const char *problem, const char *hint)
{
    lex->problem = problem;
    lex->hint = hint;
    return TL_TK_ILLEGAL;
}

static int token_scan(struct tl_lex *lex, const char **from)
{
    const char *YYCURSOR = lex->at, *YYMARKER;

    for (;;) {
        *from = YYCURSOR;
        lex->at = YYCURSOR;
        /*!re2c
        re2c:define:YYCTYPE = "unsigned char";
        re2c:yyfill:enable = 0;
        re2c:flags:type-header = 0;

        letter  = [A-Za-z_];
        digit   = [0-9];
        word    = letter (letter | digit | [$])*;
        exp     = [eE] [+-]? digit+;
        other   = [\x80-\xff];
        string  = "'" ([^'\x00] | "''")*;
        quoted  = "`" ([^`\x00\n] | "``")*;

        [ \t\r\n\f\v]+               { continue; }
        "--" [^\n\x00]*              { continue; }
        "/*" ([^*\x00] | "*"+ [^*/\x00])* "*"+ "/" { continue; }
        "/*"      { lex->at = YYCURSOR; return token_illegal(lex, "the comment that begins here has no end", "close it with */"); }

        word      { lex->at = YYCURSOR; int k = tl_lex_keyword((struct tl_sv){*from, (size_t)(YYCURSOR - *from)}); return k ? k : TL_TK_IDENT; }
        quoted "`" { lex->at = YYCURSOR;
                     return YYCURSOR - *from > 2 ? TL_TK_IDENT : token_illegal(lex, "a name cannot be empty", "write the name between the backticks"); }
        quoted    { lex->at = *from + 1; return token_illegal(lex, "the name that begins with this backtick has no end on its line", "close it with a backtick"); }
        string "'" { lex->at = YYCURSOR; return TL_TK_STRING; }
        string    { lex->at = *from + 1; return token_illegal(lex, "the text that begins with this quote has no end", "close it with a quote; a quote inside a text is written twice: 'it''s'"); }

        digit+                       { lex->at = YYCURSOR; return TL_TK_INTEGER; }
        digit+ "." digit* exp? | "." digit+ exp? | digit+ exp { lex->at = YYCURSOR; return TL_TK_DECIMAL; }
        digit+ word | digit+ "." digit* exp? letter word? | "." digit+ word {
            lex->at = YYCURSOR;
            return token_illegal(lex, "this is neither a number nor a name", "a name that begins with a digit stands in backticks"); }

        ";"  { lex->at = YYCURSOR; return TL_TK_SEMI; }
        ","  { lex->at = YYCURSOR; return TL_TK_COMMA; }
        "."  { lex->at = YYCURSOR; return TL_TK_DOT; }
        "("  { lex->at = YYCURSOR; return TL_TK_LP; }
        ")"  { lex->at = YYCURSOR; return TL_TK_RP; }
        "="  { lex->at = YYCURSOR; return TL_TK_EQ; }
        "<>" | "!=" { lex->at = YYCURSOR; return TL_TK_NE; }
        "<"  { lex->at = YYCURSOR; return TL_TK_LT; }
        "<=" { lex->at = YYCURSOR; return TL_TK_LE; }
        ">"  { lex->at = YYCURSOR; return TL_TK_GT; }
        ">=" { lex->at = YYCURSOR; return TL_TK_GE; }
        "+"  { lex->at = YYCURSOR; return TL_TK_PLUS; }
        "-"  { lex->at = YYCURSOR; return TL_TK_MINUS; }
        "*"  { lex->at = YYCURSOR; return TL_TK_STAR; }
        "/"  { lex->at = YYCURSOR; return TL_TK_SLASH; }
        "%"  { lex->at = YYCURSOR; return TL_TK_PERCENT; }
        "||" { lex->at = YYCURSOR; return TL_TK_CONCAT; }
        "=>" { lex->at = YYCURSOR; return TL_TK_ARROW; }

        "=="      { lex->at = YYCURSOR; return token_illegal(lex, "'==' is no operator of SQL", "equality is one '='"); }
        "&&"      { lex->at = YYCURSOR; return token_illegal(lex, "'&&' is no operator of SQL", "write AND"); }
        "!"       { lex->at = YYCURSOR; return token_illegal(lex, "'!' is no operator of SQL", "write NOT, or <> for 'is not equal'"); }
        ["]       { lex->at = YYCURSOR; return token_illegal(lex, "a double quote has no meaning here", "text stands in single quotes: 'text'; names stand in backticks: `name`"); }
        "\xE2\x80" [\x98\x99\x9C\x9D] { lex->at = YYCURSOR; return token_illegal(lex, "this is a typographic quote", "text stands in plain single quotes: 'text'"); }
        "\xC2\xA0" { lex->at = YYCURSOR; return token_illegal(lex, "this is a no-break space", "put an ordinary space there"); }
        other     { while (((unsigned char)*YYCURSOR & 0xC0u) == 0x80u) YYCURSOR++;
                    lex->at = YYCURSOR; return token_illegal(lex, "this character has no meaning outside quotes", "a name with such letters stands in backticks"); }
        "\x00"    { return 0; }
        *         { lex->at = YYCURSOR; return token_illegal(lex, "this character has no meaning here", "remove it"); }
        */
    }
}

int tl_lex_next(struct tl_lex *lex, struct tl_token *out)
{
    const char *from;
    int token = token_scan(lex, &from);

    token_take(lex, from, lex->at, out);
    return token;
}
