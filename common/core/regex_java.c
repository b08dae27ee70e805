/* regex_java.c: java.util.regex.Pattern's syntax in PCRE2's, where both can mean the same. See regex_java.h.
 *
 * Every construct is read by Java's rules and written by PCRE2's, characters by their number: nothing that this file does not
 * know reaches PCRE2. The flags i and s are taken out on the way: they change what is written for letters and for the dot. */
#include "core/regex_java.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 200, CODE_MAX = 0x10ffff };

/* Between \r and \n is no end of a line. */
#define LINE_ENDS "\\n\\r\\x{85}\\x{2028}\\x{2029}"
static const char dot[] = "[^" LINE_ENDS "]";
static const char dollar[] = "(?>\\z|(?=\\r\\n\\z)|(?<!\\r)(?=\\n\\z)|(?=[\\r\\x{85}\\x{2028}\\x{2029}]\\z))";
static const char line_break[] = "(?:\\r\\n|[\\x0b\\f" LINE_ENDS "])";

struct flags {
    bool ignore_case, dot_all;
};

struct parser {
    struct tl_sv pattern;
    size_t at, item_at; /* the item under way began there */
    struct tl_regex_java *out;
    struct flags flags, outer[DEPTH_MAX]; /* by open group: those before it */
    bool has_width[DEPTH_MAX];            /* by open group: may be repeated */
    unsigned depth, groups;
    bool repeatable; /* what was written last */
};

/* The first that is said stays. */
static bool wrong(struct parser *p, size_t at, const char *why)
{
    if (p->out->wrong == NULL) {
        p->out->wrong = why;
        p->out->wrong_at = at;
    }
    return false;
}

/* What was written last may be repeated, or not. */
static bool done(struct parser *p, bool repeatable)
{
    p->repeatable = repeatable;
    return true;
}

static void put(struct parser *p, const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        tl_buf_put_u32(&p->out->places, (uint32_t)p->item_at);
    tl_buf_put_str(&p->out->text, text);
}

/* ---- characters ---- */

static bool is_letter(uint32_t code)
{
    return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z');
}

static bool is_digit(uint32_t code)
{
    return code >= '0' && code <= '9';
}

static bool at_end(const struct parser *p)
{
    return p->at == p->pattern.size;
}

/* The byte `ahead` bytes on; 0 behind the end. */
static char peek(const struct parser *p, size_t ahead)
{
    return p->pattern.size - p->at > ahead ? p->pattern.data[p->at + ahead] : '\0';
}

static bool take(struct parser *p, const char *text)
{
    size_t size = strlen(text);

    if (p->pattern.size - p->at < size || memcmp(p->pattern.data + p->at, text, size) != 0)
        return false;
    p->at += size;
    return true;
}

static uint32_t take_character(struct parser *p)
{
    const unsigned char *at = (const unsigned char *)p->pattern.data + p->at;
    size_t size = tl_utf8_size((const char *)at, p->pattern.size - p->at);

    p->at += size > 0 ? size : 1;
    switch (size) {
    case 2: return (at[0] & 31u) << 6 | (at[1] & 63u);
    case 3: return (at[0] & 15u) << 12 | (at[1] & 63u) << 6 | (at[2] & 63u);
    case 4: return (at[0] & 7u) << 18 | (at[1] & 63u) << 12 | (at[2] & 63u) << 6 | (at[3] & 63u);
    default: return at[0] & 127u;
    }
}

static void put_character(struct parser *p, uint32_t code)
{
    char text[16];

    if (is_letter(code) || is_digit(code))
        snprintf(text, sizeof text, "%c", (int)code);
    else
        snprintf(text, sizeof text, "\\x{%x}", code);
    put(p, text);
}

/* Up to `digits_max` digits of the base, at least one. */
static bool take_number(struct parser *p, unsigned base, unsigned digits_max, uint32_t *out)
{
    unsigned digits = 0;

    for (*out = 0; digits < digits_max; digits++, p->at++) {
        char c = peek(p, 0);
        uint32_t digit = is_digit((unsigned char)c) ? (uint32_t)(c - '0') : 99;

        if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            digit = (uint32_t)((c | 32) - 'a' + 10);
        if (digit >= base)
            break;
        *out = *out * base + digit;
    }
    return digits > 0;
}

static bool take_digits(struct parser *p, unsigned count, uint32_t *out)
{
    size_t from = p->at;

    return take_number(p, 16, count, out) && p->at - from == count;
}

/* Behind \u: four digits, and where they are the first half of a pair, the other half. */
static bool take_utf16(struct parser *p, uint32_t *out)
{
    uint32_t low;

    if (!take_digits(p, 4, out))
        return false;
    if (*out < 0xd800 || *out >= 0xe000)
        return true;
    if (*out >= 0xdc00 || !take(p, "\\u") || !take_digits(p, 4, &low) || low < 0xdc00 || low >= 0xe000)
        return false;
    *out = 0x10000 + ((*out - 0xd800) << 10) + (low - 0xdc00);
    return true;
}

/* Behind \0: up to three octal digits, 377 at most. */
static bool take_octal(struct parser *p, uint32_t *out)
{
    char first = peek(p, 0);

    return take_number(p, 8, first >= '0' && first <= '3' ? 3 : 2, out);
}

static bool take_hex(struct parser *p, uint32_t *out)
{
    if (!take(p, "{"))
        return take_digits(p, 2, out);
    return take_number(p, 16, 7, out) && take(p, "}") && *out <= CODE_MAX && (*out < 0xd800 || *out >= 0xe000);
}

/* The backslash is taken. An escape that is one character is taken too, else nothing more. */
static bool take_escaped_character(struct parser *p, uint32_t *out)
{
    static const char letters[] = "tnrfae", codes[] = "\t\n\r\f\a\x1b";
    const char *known;
    char c = peek(p, 0);
    size_t from = p->at;
    bool read = true;

    if (at_end(p))
        return false;
    if (!is_letter((unsigned char)c) && !is_digit((unsigned char)c)) {
        *out = take_character(p);
        return true;
    }
    known = strchr(letters, c);
    p->at++;
    if (known != NULL)
        *out = (unsigned char)codes[known - letters];
    else if (c == '0')
        read = take_octal(p, out);
    else if (c == 'x')
        read = take_hex(p, out);
    else if (c == 'u')
        read = take_utf16(p, out);
    else if (c == 'c' && (unsigned char)peek(p, 0) < 0x80 && !at_end(p))
        *out = (uint32_t)(unsigned char)p->pattern.data[p->at++] ^ 64;
    else
        read = false;
    if (!read)
        p->at = from;
    return read;
}

/* ---- classes ---- */

/* Characters lo to hi, and with the flag i the letters that differ from them in case. */
static void put_range(struct parser *p, uint32_t lo, uint32_t hi)
{
    put_character(p, lo);
    if (hi > lo) {
        put(p, "-");
        put_character(p, hi);
    }
    for (uint32_t c = 'A'; p->flags.ignore_case && c <= 'z'; c++)
        if (is_letter(c) && (c < lo || c > hi) && (c ^ 32) >= lo && (c ^ 32) <= hi)
            put_character(p, c);
}

/* \p{Name}: inside [...], where PCRE2 has the POSIX names in brackets of their own. */
static bool put_property(struct parser *p, struct tl_sv name, bool negated)
{
    static const char posix[][8] = {"Lower", "Upper", "ASCII", "Alpha", "Digit",  "Alnum", "Punct",
                                    "Graph", "Print", "Blank", "Cntrl", "XDigit", "Space"};
    static const char categories[] =
        " L Lu Ll Lt Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co Cn ";
    char text[24];

    for (size_t i = 0; i < TL_COUNT(posix); i++)
        if (tl_sv_eq(name, tl_sv_from(posix[i])) && !(p->flags.ignore_case && i < 2)) {
            snprintf(text, sizeof text, "[:%s%s:]", negated ? "^" : "", posix[i]);
            for (char *c = text; *c != '\0'; c++)
                if (*c >= 'A' && *c <= 'Z')
                    *c = (char)(*c + 32);
            put(p, text);
            return true;
        }
    if (name.size == 0 || name.size > 2 || memchr(name.data, ' ', name.size) != NULL)
        return false;
    snprintf(text, sizeof text, " %.*s ", TL_SV_ARG(name));
    if (strstr(categories, text) == NULL ||
        (p->flags.ignore_case && name.size == 2 && name.data[0] == 'L' && strchr("ult", name.data[1]) != NULL))
        return false;
    snprintf(text, sizeof text, "\\%c{%.*s}", negated ? 'P' : 'p', TL_SV_ARG(name));
    put(p, text);
    return true;
}

/* The backslash is taken; \d, \p{L} and their like are written as they stand inside of [...]. */
static bool take_class_escape(struct parser *p)
{
    char c = peek(p, 0);
    struct tl_sv name;

    if (c != '\0' && strchr("dDwWsShHvV", c) != NULL) {
        put(p, (char[]){'\\', c, '\0'});
        p->at++;
        return true;
    }
    if (c != 'p' && c != 'P')
        return false;
    p->at++;
    if (take(p, "{")) {
        name = (struct tl_sv){p->pattern.data + p->at, p->pattern.size - p->at};
        name = tl_sv_cut(&name, '}');
        p->at += name.size + (p->at + name.size < p->pattern.size);
    } else {
        name = (struct tl_sv){p->pattern.data + p->at, at_end(p) ? 0 : 1};
        p->at += name.size;
    }
    if (!put_property(p, name, c == 'P'))
        (void)wrong(p, p->item_at,
                    "of \\p only the POSIX names (Alpha, Digit, Punct, ...) and general categories (L, Lu, Nd, ...) are taken; "
                    "under the flag i none that tells upper from lower case");
    return true;
}

/* One character of a class. False: it is none, and wrong() says so unless it is a class itself (\d). */
static bool take_class_character(struct parser *p, uint32_t *out)
{
    if (peek(p, 0) == '[')
        return wrong(p, p->at, "a [ inside of [...] makes a union in Java, which is not taken: write \\[ for the character");
    if (peek(p, 0) == '&' && peek(p, 1) == '&')
        return wrong(p, p->at, "&& inside of [...] is an intersection in Java, which is not taken: write \\& for the character");
    if (take(p, "\\"))
        return take_escaped_character(p, out);
    *out = take_character(p);
    return true;
}

static bool take_class_item(struct parser *p)
{
    uint32_t lo = 0, hi;

    p->item_at = p->at;
    if (!take_class_character(p, &lo))
        return p->out->wrong == NULL && (take_class_escape(p) || wrong(p, p->item_at, "it is not taken inside of [...]"));
    hi = lo;
    if (peek(p, 0) == '-' && p->pattern.size - p->at > 1 && peek(p, 1) != ']') {
        p->at++;
        if (!take_class_character(p, &hi))
            return wrong(p, p->item_at, "a range must end with a character");
        if (hi < lo)
            return wrong(p, p->item_at, "the range is out of order");
    }
    put_range(p, lo, hi);
    return true;
}

static bool take_class(struct parser *p)
{
    put(p, take(p, "^") ? "[^" : "[");
    if (peek(p, 0) == ']')
        return wrong(p, p->at, "a ] that begins [...] is to be written \\]");
    while (!at_end(p) && peek(p, 0) != ']')
        if (!take_class_item(p) || p->out->wrong != NULL)
            return false;
    if (!take(p, "]"))
        return wrong(p, p->pattern.size, "a [ is not closed");
    put(p, "]");
    return done(p, true);
}

/* ---- groups, repeats and the rest ---- */

/* The letters behind (? up to : or ). */
static bool take_flags(struct parser *p, struct flags *flags)
{
    bool on = true, any = false;

    for (; !at_end(p) && peek(p, 0) != ')' && peek(p, 0) != ':'; p->at++) {
        switch (peek(p, 0)) {
        case '-': on = false; break;
        case 'i': flags->ignore_case = on; break;
        case 's': flags->dot_all = on; break;
        default: return false;
        }
        any = true;
    }
    return any && !at_end(p);
}

static bool open_group(struct parser *p, struct flags flags, bool has_width)
{
    if (p->depth == DEPTH_MAX)
        return wrong(p, p->item_at, "the groups are nested too deep: 200 are the most");
    p->outer[p->depth] = p->flags;
    p->has_width[p->depth++] = has_width;
    p->flags = flags;
    return done(p, false);
}

static bool take_named_group(struct parser *p)
{
    size_t from = p->at;
    char text[48];

    while (is_letter((unsigned char)peek(p, 0)) || (p->at > from && is_digit((unsigned char)peek(p, 0))))
        p->at++;
    if (p->at == from || p->at - from > 32 || peek(p, 0) != '>')
        return wrong(p, from, "a group's name is a letter and then letters and digits, 32 at most");
    p->at++;
    snprintf(text, sizeof text, "(?<%.*s", (int)(p->at - from), p->pattern.data + from);
    put(p, text);
    p->groups++;
    return open_group(p, p->flags, true);
}

static bool take_group(struct parser *p)
{
    static const struct {
        char text[5];
        bool has_width;
    } kinds[] = {
        {"?:",  true },
        {"?>",  true },
        {"?=",  false},
        {"?!",  false},
        {"?<=", false},
        {"?<!", false},
    };
    struct flags flags = p->flags;

    for (size_t i = 0; i < TL_COUNT(kinds); i++)
        if (take(p, kinds[i].text)) {
            put(p, "(");
            put(p, kinds[i].text);
            return open_group(p, flags, kinds[i].has_width);
        }
    if (take(p, "?<"))
        return take_named_group(p);
    if (!take(p, "?")) {
        put(p, "(");
        p->groups++;
        return open_group(p, flags, true);
    }
    if (!take_flags(p, &flags))
        return wrong(p, p->at, "of what may stand behind (? only : = ! > <= <! <name> and the flags i and s are taken");
    if (take(p, ":")) {
        put(p, "(?:");
        return open_group(p, flags, true);
    }
    p->at++;
    p->flags = flags;
    return done(p, false);
}

static bool close_group(struct parser *p)
{
    if (p->depth == 0)
        return wrong(p, p->item_at, "the ) closes nothing");
    p->depth--;
    p->flags = p->outer[p->depth];
    put(p, ")");
    return done(p, p->has_width[p->depth]);
}

/* {n}, {n,} or {n,m}: the { is taken. */
static bool take_braces(struct parser *p)
{
    size_t from = p->at;

    while (is_digit((unsigned char)peek(p, 0)))
        p->at++;
    if (p->at == from)
        return false;
    if (take(p, ","))
        while (is_digit((unsigned char)peek(p, 0)))
            p->at++;
    return p->at - from < 14 && take(p, "}");
}

static bool take_repeat(struct parser *p)
{
    char text[24];

    if (!p->repeatable)
        return wrong(p, p->at, "there is nothing before it to repeat: a repeat, an anchor and a look-around are not repeated");
    if (p->pattern.data[p->at++] == '{' && !take_braces(p))
        return wrong(p, p->item_at, "a repeat is {n}, {n,} or {n,m}; write \\{ for the character");
    if (peek(p, 0) == '?' || peek(p, 0) == '+')
        p->at++;
    snprintf(text, sizeof text, "%.*s", (int)(p->at - p->item_at), p->pattern.data + p->item_at);
    put(p, text);
    return done(p, false);
}

static bool put_literal(struct parser *p, uint32_t code)
{
    if (p->flags.ignore_case && is_letter(code)) {
        put(p, "[");
        put_range(p, code, code);
        put(p, "]");
    } else {
        put_character(p, code);
    }
    return done(p, true);
}

/* Behind \Q, up to \E or the end. */
static bool take_quoted(struct parser *p)
{
    while (!at_end(p) && !take(p, "\\E"))
        (void)put_literal(p, take_character(p));
    return true;
}

static bool take_back_reference(struct parser *p)
{
    unsigned group = (unsigned)(p->pattern.data[p->at++] - '0');
    char text[8];

    if (group > p->groups || is_digit((unsigned char)peek(p, 0)))
        return wrong(p, p->item_at, "a back-reference is \\1 to \\9, to a group before it; write [1] for a digit behind it");
    if (p->flags.ignore_case)
        return wrong(p, p->item_at, "a back-reference under the flag i is not taken");
    snprintf(text, sizeof text, "\\g{%u}", group);
    put(p, text);
    return done(p, true);
}

static bool take_escape(struct parser *p)
{
    static const struct {
        char letter;
        bool has_width;
        const char *text;
    } others[] = {
        {'A', false, "\\A"     },
        {'b', false, "\\b"     },
        {'B', false, "\\B"     },
        {'z', false, "\\z"     },
        {'Z', false, dollar    },
        {'R', true,  line_break},
    };
    uint32_t code;
    char c = peek(p, 0);

    if (at_end(p))
        return wrong(p, p->item_at, "nothing is behind the backslash");
    if (take_escaped_character(p, &code))
        return put_literal(p, code);
    if (take(p, "Q"))
        return take_quoted(p);
    if (c >= '1' && c <= '9')
        return take_back_reference(p);
    for (size_t i = 0; i < TL_COUNT(others); i++)
        if (c == others[i].letter) {
            p->at++;
            put(p, others[i].text);
            return done(p, others[i].has_width);
        }
    put(p, "[");
    if (!take_class_escape(p))
        return wrong(p, p->item_at, strchr("ux0c", c) != NULL ? "the escape is not one character" : "this escape is not taken");
    put(p, "]");
    return done(p, true);
}

static bool take_item(struct parser *p)
{
    char c = peek(p, 0);

    p->item_at = p->at;
    if (c != '\0' && strchr("*+?{", c) != NULL)
        return take_repeat(p);
    if (c == '\0' || strchr("\\[.^$()|", c) == NULL)
        return put_literal(p, take_character(p));
    p->at++;
    switch (c) {
    case '\\': return take_escape(p);
    case '[': return take_class(p);
    case '(': return take_group(p);
    case ')': return close_group(p);
    case '.': put(p, p->flags.dot_all ? "." : dot); return done(p, true);
    case '^': put(p, "\\A"); return done(p, false);
    case '$': put(p, dollar); return done(p, false);
    default: put(p, "|"); return done(p, false);
    }
}

bool tl_regex_java_translate(struct tl_sv pattern, struct tl_regex_java *out)
{
    struct parser p = {.pattern = pattern, .out = out};

    *out = (struct tl_regex_java){0};
    tl_buf_init(&out->text, 0);
    tl_buf_init(&out->places, 0);
    while (!at_end(&p) && take_item(&p) && out->wrong == NULL)
        ;
    if (at_end(&p) && p.depth > 0)
        (void)wrong(&p, pattern.size, "a ( is not closed");
    tl_buf_put_u32(&out->places, (uint32_t)pattern.size);
    return !out->text.failed && !out->places.failed;
}

void tl_regex_java_done(struct tl_regex_java *java)
{
    tl_buf_done(&java->text);
    tl_buf_done(&java->places);
}

size_t tl_regex_java_place(const struct tl_regex_java *java, size_t at)
{
    size_t index = at < java->text.size ? at : java->text.size;
    struct tl_reader reader = tl_reader_of((struct tl_sv){java->places.data + index * 4, 4});

    return tl_reader_u32(&reader);
}
