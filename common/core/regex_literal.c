/* regex_literal.c: literals out of a regular expression. See regex_literal.h.
 *
 * Each part of an expression is known in one of two ways. Exactly: it matches these few strings and no others ("Build",
 * "[Bb]", "a?"), and parts that stand side by side are then the strings of one followed by those of the other. Or loosely:
 * it matches who knows what, but always with a literal of each of these sets inside (".*bot", "\d+ Build"). What an exact
 * part has come to when a loose one follows is such a set. An alternation of loose parts keeps one set: the best of each
 * branch, together. */
#include "core/regex_literal.h"

#include <string.h>

enum {
    EXACT_MAX = 64,     /* strings of an exact part */
    SET_MAX = 1024,     /* literals of a set */
    LITERAL_BYTES = 2,  /* shorter ones are everywhere */
    CLASS_MAX = 4,      /* characters of a class that is still exact */
    DEPTH_MAX = 64,     /* of parentheses */
    REPEAT_MAX = 65535, /* PCRE2's */
};

struct strings {
    struct tl_sv *text;
    uint32_t count;
};

struct required {
    struct strings set;
    struct required *next;
};

struct part {
    bool is_exact;
    struct strings exact;
    struct required *required; /* where it is loose */
};

struct reader {
    const char *at, *end;
    struct tl_arena *arena;
    uint32_t depth;
    bool unknown, no_memory; /* either ends it */
};

static bool ended(const struct reader *r)
{
    return r->unknown || r->no_memory;
}

static bool peek(const struct reader *r, char c)
{
    return r->at < r->end && *r->at == c;
}

static bool take(struct reader *r, char c)
{
    if (!peek(r, c))
        return false;
    r->at++;
    return true;
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

/* --- strings -------------------------------------------------------------------------------------------------------------- */

static struct strings strings_make(struct reader *r, size_t count)
{
    struct strings s = {tl_arena_alloc(r->arena, (count + 1) * sizeof *s.text), 0};

    r->no_memory |= s.text == NULL;
    return s;
}

static void strings_add(struct strings *s, struct tl_sv text)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (tl_sv_eq(s->text[i], text))
            return;
    s->text[s->count++] = text;
}

/* One character, in lower case; or, of size 0, the empty string. */
static struct strings strings_one(struct reader *r, char c, size_t size)
{
    struct strings s = strings_make(r, 1);
    char *byte = tl_arena_bytes(r->arena, 1);

    r->no_memory |= byte == NULL;
    if (r->no_memory)
        return s;
    *byte = lower(c);
    s.text[s.count++] = (struct tl_sv){byte, size};
    return s;
}

static struct strings strings_union(struct reader *r, struct strings a, struct strings b)
{
    struct strings s = strings_make(r, (size_t)a.count + b.count);

    if (r->no_memory)
        return s;
    if (a.count > 0)
        memcpy(s.text, a.text, a.count * sizeof *s.text);
    s.count = a.count;
    for (uint32_t i = 0; i < b.count; i++)
        strings_add(&s, b.text[i]);
    return s;
}

/* Each of `a` followed by each of `b`. */
static struct strings strings_product(struct reader *r, struct strings a, struct strings b)
{
    struct strings s = strings_make(r, (size_t)a.count * b.count);

    for (uint32_t i = 0; i < a.count && !r->no_memory; i++)
        for (uint32_t k = 0; k < b.count && !r->no_memory; k++) {
            struct tl_sv left = a.text[i], right = b.text[k];
            char *bytes = tl_arena_bytes(r->arena, left.size + right.size + 1);

            r->no_memory |= bytes == NULL;
            if (bytes == NULL)
                break;
            memcpy(bytes, left.data, left.size);
            memcpy(bytes + left.size, right.data, right.size);
            strings_add(&s, (struct tl_sv){bytes, left.size + right.size});
        }
    return s;
}

static size_t shortest(struct strings s)
{
    size_t size = s.count > 0 ? SIZE_MAX : 0;

    for (uint32_t i = 0; i < s.count; i++)
        size = s.text[i].size < size ? s.text[i].size : size;
    return size;
}

/* --- parts ---------------------------------------------------------------------------------------------------------------- */

static struct part part_exact(struct strings exact)
{
    return (struct part){.is_exact = true, .exact = exact};
}

static struct part part_empty(struct reader *r)
{
    return part_exact(strings_one(r, 0, 0));
}

static const struct part part_any;

/* Puts the set before those in *list, if it says anything. */
static void require(struct reader *r, struct strings set, struct required **list)
{
    struct required *first;

    if (set.count > SET_MAX || shortest(set) < LITERAL_BYTES)
        return;
    first = tl_arena_alloc(r->arena, sizeof *first);
    r->no_memory |= first == NULL;
    if (first == NULL)
        return;
    *first = (struct required){set, *list};
    *list = first;
}

/* The same part, loose: what it requires. */
static struct required *part_required(struct reader *r, struct part part)
{
    if (part.is_exact)
        require(r, part.exact, &part.required);
    return part.required;
}

/* `next` behind `before`. */
static struct part part_concat(struct reader *r, struct strings *tail, struct part before, struct part next)
{
    struct required *last;

    if (next.is_exact && (size_t)tail->count * next.exact.count <= EXACT_MAX) {
        *tail = strings_product(r, *tail, next.exact);
        if (before.is_exact)
            before.exact = *tail;
        return before;
    }
    require(r, *tail, &before.required);
    before.is_exact = false;
    if (next.is_exact) {
        *tail = next.exact;
        return before;
    }
    *tail = strings_one(r, 0, 0);
    for (last = next.required; last != NULL && last->next != NULL; last = last->next)
        continue;
    if (last != NULL) {
        last->next = before.required;
        before.required = next.required;
    }
    return before;
}

/* The set that says most: the longest at its shortest, then the smallest. Of none the count is 0. */
static struct strings part_best(struct reader *r, struct part part)
{
    struct strings best = {NULL, 0};

    for (struct required *q = part_required(r, part); q != NULL; q = q->next)
        if (shortest(q->set) > shortest(best) || (shortest(q->set) == shortest(best) && q->set.count < best.count))
            best = q->set;
    return best;
}

/* `a` or `b`. */
static struct part part_either(struct reader *r, struct part a, struct part b)
{
    struct part either = {0};
    struct strings left, right;

    if (a.is_exact && b.is_exact && a.exact.count + b.exact.count <= SET_MAX)
        return part_exact(strings_union(r, a.exact, b.exact));
    left = part_best(r, a);
    right = part_best(r, b);
    if (left.count > 0 && right.count > 0 && !r->no_memory)
        require(r, strings_union(r, left, right), &either.required);
    return either;
}

static struct part part_repeat(struct reader *r, struct part part, uint32_t from, uint32_t to)
{
    if (from == 1 && to == 1)
        return part;
    if (to == 0)
        return part_empty(r);
    if (from == 0 && to == 1 && part.is_exact)
        return part_exact(strings_union(r, part.exact, strings_one(r, 0, 0)));
    if (from == 0)
        return part_any;
    return (struct part){.required = part_required(r, part)};
}

/* --- the expression ------------------------------------------------------------------------------------------------------- */

static struct part alternation(struct reader *r);

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Behind a backslash. Says whether it is one character, and which; others of one place come as a class. */
static bool escape(struct reader *r, bool in_class, char *c)
{
    static const char names[] = "nrt", bytes[] = "\n\r\t";
    const char *found;

    if (r->at == r->end) {
        r->unknown = true;
        return false;
    }
    *c = *r->at++;
    if (!is_word(*c))
        return true;
    found = strchr(names, *c);
    if (found != NULL) {
        *c = bytes[found - names];
        return true;
    }
    r->unknown |= strchr("dDwWsS", *c) == NULL && (in_class || strchr("bB", *c) == NULL);
    return false;
}

/* [...], of which the first bracket is read: exact where it has few characters. */
static struct part class_read(struct reader *r)
{
    bool seen[256] = {false}, loose = take(r, '^');
    struct strings chars = strings_make(r, CLASS_MAX);
    uint32_t count = 0;

    for (bool first = true; !ended(r) && (first || !peek(r, ']')); first = false) {
        unsigned from, to;
        char c;

        if (r->at == r->end || (r->end - r->at > 1 && *r->at == '[' && strchr(":.=", r->at[1]) != NULL)) {
            r->unknown = true;
            return part_any;
        }
        c = *r->at++;
        if (c == '\\' && !escape(r, true, &c)) {
            loose = true;
            continue;
        }
        from = to = (unsigned char)c;
        if (r->end - r->at > 1 && *r->at == '-' && r->at[1] != ']') {
            r->at++;
            c = *r->at++;
            if (c == '\\' && !escape(r, true, &c)) {
                loose = true; /* [a-\d]: a, the hyphen, digits */
                continue;
            }
            to = (unsigned char)c;
        }
        for (unsigned i = from; i <= to; i++)
            seen[(unsigned char)lower((char)i)] = true;
    }
    (void)take(r, ']');
    for (unsigned i = 0; i < 256; i++)
        count += seen[i];
    if (loose || count > CLASS_MAX || count == 0 || ended(r))
        return part_any;
    for (unsigned i = 0; i < 256 && !r->no_memory; i++)
        if (seen[i])
            chars = strings_union(r, chars, strings_one(r, (char)i, 1));
    return part_exact(chars);
}

/* (...), of which the first parenthesis is read. */
static struct part group(struct reader *r)
{
    struct part part = part_any;

    if (peek(r, '*') || ++r->depth > DEPTH_MAX) {
        r->unknown = true;
        return part;
    }
    if (take(r, '?') && !take(r, ':'))
        r->unknown = true;
    if (!ended(r))
        part = alternation(r);
    if (!take(r, ')'))
        r->unknown = true;
    r->depth--;
    return part;
}

static struct part atom(struct reader *r)
{
    char c = *r->at++;

    switch (c) {
    case '(': return group(r);
    case '[': return class_read(r);
    case '.': return part_any;
    case '^':
    case '$': return part_empty(r);
    case '\\':
        if (escape(r, false, &c))
            return part_exact(strings_one(r, c, 1));
        return c == 'b' || c == 'B' ? part_empty(r) : part_any;
    case '{': /* {,2} and { 1, 2 } are text before PCRE2 10.43, and repeat from there on */
        r->unknown |= r->at < r->end && strchr(", \t0123456789", *r->at) != NULL;
        return part_exact(strings_one(r, c, 1));
    default: return part_exact(strings_one(r, c, 1));
    }
}

static bool number(struct reader *r, uint32_t *out)
{
    const char *start = r->at;

    for (*out = 0; r->at < r->end && *r->at >= '0' && *r->at <= '9' && *out <= REPEAT_MAX; r->at++)
        *out = *out * 10 + (uint32_t)(*r->at - '0');
    return r->at > start;
}

/* {n}, {n,}, {n,m}; what else is in braces, atom() sees. */
static bool braces(struct reader *r, uint32_t *from, uint32_t *to)
{
    const char *start = r->at;

    if (take(r, '{') && number(r, from)) {
        *to = *from;
        if (take(r, ',') && !number(r, to))
            *to = UINT32_MAX;
        if (take(r, '}'))
            return true;
    }
    r->at = start;
    return false;
}

static bool quantifier(struct reader *r, uint32_t *from, uint32_t *to)
{
    *from = peek(r, '+');
    *to = peek(r, '?') ? 1 : UINT32_MAX;
    if (!take(r, '*') && !take(r, '+') && !take(r, '?') && !braces(r, from, to))
        return false;
    if (!take(r, '?')) /* lazy */
        (void)take(r, '+');
    return true;
}

static struct part branch(struct reader *r)
{
    struct part all = part_empty(r);
    struct strings tail = all.exact;

    while (!ended(r) && r->at < r->end && !peek(r, '|') && !peek(r, ')')) {
        struct part part = atom(r);
        uint32_t from, to;

        while (!ended(r) && quantifier(r, &from, &to))
            part = part_repeat(r, part, from, to);
        if (!ended(r))
            all = part_concat(r, &tail, all, part);
    }
    if (!ended(r) && !all.is_exact)
        require(r, tail, &all.required);
    return all;
}

static struct part alternation(struct reader *r)
{
    struct part all = branch(r);

    while (!ended(r) && take(r, '|')) {
        struct part next = branch(r);

        if (!ended(r))
            all = part_either(r, all, next);
    }
    return all;
}

bool tl_regex_literals(struct tl_sv pattern, struct tl_arena *arena, const struct tl_literal_set **out, uint32_t *count)
{
    struct reader r = {.at = pattern.data, .end = pattern.data + pattern.size, .arena = arena};
    struct part all = alternation(&r);
    struct required *required = NULL;
    struct tl_literal_set *sets;
    uint32_t sets_count = 0;

    if (!ended(&r) && r.at == r.end)
        required = part_required(&r, all);
    for (struct required *q = required; q != NULL; q = q->next)
        sets_count++;
    sets = tl_arena_alloc(arena, (sets_count + 1) * sizeof *sets);
    if (r.no_memory || sets == NULL)
        return false;
    *count = 0;
    for (struct required *q = required; q != NULL; q = q->next)
        sets[(*count)++] = (struct tl_literal_set){q->set.text, q->set.count};
    *out = sets;
    return true;
}
