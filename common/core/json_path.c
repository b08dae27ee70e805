/* json_path.c: a path into a JSON text, and what stands at its end, in one pass and without memory. See json_path.h.
 *
 * The pass walks the whole value and keeps, for each open bracket, one bit: object or array. The outermost `on_path` of them are
 * those that the path leads through; in the innermost of these each key or place is compared with the next step. A step that
 * matches forgets what an equal key found before it. */
#include "core/json_path.h"

#include <string.h>

#include "core/code_point.h"
#include "event/json_text.h"

enum {
    DEPTH_MAX = 1000,
    STEPS_MAX = 100,
    KEY_BYTES_MAX = 255,
    KEY_WRITTEN_MAX = 6 * KEY_BYTES_MAX, /* each byte as \u0041 */
    DIGITS_MAX = 1000,
};

struct step {
    struct tl_sv key; /* data NULL: it is an index */
    int64_t index;    /* below 0: from the end */
};

struct tl_json_path {
    bool lax;
    uint32_t steps_count;
    const struct step *steps;
};

/* --- compile --------------------------------------------------------------------------------------------------------------- */

struct compiler {
    struct tl_sv path;
    size_t at;
    struct step steps[STEPS_MAX];
    uint32_t steps_count;
    char *keys; /* where keys go: there is room for the whole path */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The byte at `at`; 0 behind the end. */
static char peek(const struct compiler *c)
{
    return c->at < c->path.size ? c->path.data[c->at] : '\0';
}

static bool take(struct compiler *c, char byte)
{
    if (peek(c) != byte || c->at == c->path.size)
        return false;
    c->at++;
    return true;
}

static void skip_spaces(struct compiler *c)
{
    while (take(c, ' '))
        ;
}

/* Each returns what is wrong at `at`, or NULL. */
static const char *add_step(struct compiler *c, struct step step)
{
    if (c->steps_count == STEPS_MAX)
        return "it has more than 100 steps";
    if (step.key.size > KEY_BYTES_MAX)
        return "a key has more than 255 bytes";
    c->steps[c->steps_count++] = step;
    return NULL;
}

static const char *take_key(struct compiler *c)
{
    const char *from = c->path.data + c->at;
    size_t begin = c->at;

    if (peek(c) == '*')
        return "a wildcard gives no one value";
    while (c->at < c->path.size && strchr(".[( ", peek(c)) == NULL)
        c->at++;
    if (peek(c) == '(')
        return "functions are not taken";
    if (peek(c) == ' ')
        return "a key with a blank is to be written ['the key']";
    if (c->at == begin)
        return peek(c) == '.' ? "'..' gives no one value" : "a key is missing";
    return add_step(c, (struct step){
                           .key = {from, c->at - begin}
    });
}

static const char *take_quoted_key(struct compiler *c, char quote)
{
    char *key = c->keys;

    while (c->at < c->path.size && peek(c) != quote) {
        if (take(c, '\\') && strchr("'\"\\", peek(c)) == NULL)
            return "behind a backslash only ' \" and \\ are taken";
        if (c->at == c->path.size)
            break;
        *c->keys++ = c->path.data[c->at++];
    }
    if (!take(c, quote))
        return "the quote is not closed";
    return add_step(c, (struct step){
                           .key = {key, (size_t)(c->keys - key)}
    });
}

static const char *take_index(struct compiler *c)
{
    size_t from = c->at;
    int64_t index;

    (void)take(c, '-');
    while (peek(c) >= '0' && peek(c) <= '9')
        c->at++;
    if (!tl_sv_to_i64((struct tl_sv){c->path.data + from, c->at - from}, &index) || index < INT32_MIN || index > INT32_MAX) {
        c->at = from;
        return peek(c) == '*'   ? "a wildcard gives no one value"
               : peek(c) == '?' ? "a filter gives no one value"
                                : "in [...] stands 'a key' in quotes, or a number";
    }
    return add_step(c, (struct step){.index = index});
}

static const char *take_brackets(struct compiler *c)
{
    const char *why;

    skip_spaces(c);
    why = take(c, '\'') ? take_quoted_key(c, '\'') : take(c, '"') ? take_quoted_key(c, '"') : take_index(c);
    if (why != NULL)
        return why;
    skip_spaces(c);
    return take(c, ']') ? NULL : peek(c) == ',' || peek(c) == ':' ? "several places give no one value" : "a ] is missing";
}

static const char *take_steps(struct compiler *c)
{
    const char *why = NULL;

    if (c->at == c->path.size)
        return "it is empty";
    if (peek(c) == ' ')
        return "it begins with a blank"; /* which Java takes for a part of a key */
    if (peek(c) == '@')
        return "it begins with $";
    if (!take(c, '$') && peek(c) != '[')
        why = take_key(c);
    while (why == NULL && c->at < c->path.size) {
        bool dot = take(c, '.');

        if (take(c, '['))
            why = take_brackets(c);
        else
            why = dot ? take_key(c) : "a . or [ is missing";
    }
    return why;
}

/* The word before the path, and blanks around the word. */
static bool take_mode(struct compiler *c)
{
    static const struct tl_sv words[] = {
        {"strict", 6},
        {"lax",    3}
    };
    size_t from = 0;

    while (from < c->path.size && is_blank(c->path.data[from]))
        from++;
    for (size_t i = 0; i < TL_COUNT(words); i++) {
        size_t behind = from + words[i].size;

        if (behind < c->path.size && is_blank(c->path.data[behind]) &&
            tl_sv_eq_nocase((struct tl_sv){c->path.data + from, words[i].size}, words[i])) {
            while (behind < c->path.size && is_blank(c->path.data[behind]))
                behind++;
            c->at = behind;
            return i == 1;
        }
    }
    return false;
}

enum tl_code tl_json_path_compile(struct tl_sv path, struct tl_arena *arena, const struct tl_json_path **out, struct tl_err *err)
{
    struct compiler c = {.path = path, .keys = tl_arena_bytes(arena, path.size + 1)};
    struct tl_json_path *made = tl_arena_alloc(arena, sizeof *made);
    unsigned place = 1;
    struct step *steps;
    const char *why;
    bool lax;

    if (c.keys == NULL || made == NULL || !tl_arena_copy(arena, path, &c.path))
        return tl_fail_memory(err, path.size);
    lax = take_mode(&c);
    while (c.path.size > c.at && c.path.data[c.path.size - 1] == ' ')
        c.path.size--;
    why = take_steps(&c);
    if (why != NULL) {
        place += (unsigned)tl_code_points((struct tl_sv){path.data, c.at});
        return tl_fail(err, TL_ERR_DEFINITION, "the JSON path '%.*s' is refused at character %u: %s",
                       path.size > 120 ? 120 : (int)path.size, path.size > 0 ? path.data : "", place, why);
    }
    steps = tl_arena_alloc(arena, (c.steps_count + 1) * sizeof *steps);
    if (steps == NULL)
        return tl_fail_memory(err, path.size);
    memcpy(steps, c.steps, c.steps_count * sizeof *steps);
    *made = (struct tl_json_path){lax, c.steps_count, steps};
    *out = made;
    return TL_OK;
}

bool tl_json_path_is_lax(const struct tl_json_path *path)
{
    return path->lax;
}

/* --- find ------------------------------------------------------------------------------------------------------------------ */

struct scan {
    const struct tl_json_path *path;
    const char *at, *end;
    uint32_t depth, on_path;
    uint64_t objects[DEPTH_MAX / 64 + 1]; /* by open bracket: it is a { */
    int64_t place[STEPS_MAX];             /* by array on the path: of the element under way */
    int64_t wanted[STEPS_MAX];            /* by array on the path */
    enum tl_json_kind kind;               /* what was found so far */
    struct tl_sv value;
};

static void skip_blanks(struct scan *s)
{
    while (s->at < s->end && is_blank(*s->at))
        s->at++;
}

static bool in_object(const struct scan *s)
{
    return (s->objects[(s->depth - 1) / 64] >> ((s->depth - 1) % 64) & 1) != 0;
}

/* The opening quote is taken; *out is what stands up to the closing one. */
static bool scan_string(struct scan *s, struct tl_sv *out, bool *escaped)
{
    const char *from = s->at;

    *escaped = false;
    for (; s->at < s->end; s->at++) {
        unsigned char c = (unsigned char)*s->at;

        if (c == '"') {
            *out = (struct tl_sv){from, (size_t)(s->at++ - from)};
            return true;
        }
        if (c < 0x20)
            return false;
        if (c != '\\')
            continue;
        *escaped = true;
        if (++s->at == s->end || *s->at == '\0' || strchr("\"\\/bfnrtu", *s->at) == NULL)
            return false;
        if (*s->at == 'u' && tl_json_hex_four(s->at + 1, s->end) < 0)
            return false;
    }
    return false;
}

/* At the root something else may follow, but not as part of the word. */
static bool scan_word(struct scan *s, struct tl_sv word)
{
    unsigned char next;

    if (!tl_sv_starts((struct tl_sv){s->at, (size_t)(s->end - s->at)}, word))
        return false;
    s->at += word.size;
    next = s->at < s->end ? (unsigned char)*s->at : ' ';
    return !((next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z') || (next >= '0' && next <= '9') || next == '_' ||
             next == '$' || next >= 0x80);
}

static bool scan_number(struct scan *s, enum tl_json_kind *kind, struct tl_sv *out)
{
    struct tl_json_number number;
    int64_t scale;

    if (!tl_json_number_scan(s->at, s->end, &number))
        return false;
    *out = (struct tl_sv){s->at, (size_t)(number.end - s->at)};
    *kind = number.is_integer ? TL_JSON_INTEGER : TL_JSON_REAL;
    s->at = number.end;
    if (s->depth == 0 && s->at < s->end && !is_blank(*s->at))
        return false;
    return number.is_integer ? out->size - (out->data[0] == '-') <= DIGITS_MAX : tl_json_number_scale(*out, &scale);
}

static bool scan_scalar(struct scan *s, enum tl_json_kind *kind, struct tl_sv *out)
{
    bool escaped;

    *out = (struct tl_sv){NULL, 0};
    switch (*s->at) {
    case '"':
        s->at++;
        *kind = TL_JSON_STRING;
        return scan_string(s, out, &escaped);
    case 't': *kind = TL_JSON_TRUE; return scan_word(s, TL_SV("true"));
    case 'f': *kind = TL_JSON_FALSE; return scan_word(s, TL_SV("false"));
    case 'n': *kind = TL_JSON_ABSENT; return scan_word(s, TL_SV("null"));
    default: return scan_number(s, kind, out);
    }
}

static bool find(struct scan *s);

/* How many elements the array has whose [ stands at `at`; -1: it is no JSON. */
static int64_t array_length(const struct scan *s)
{
    static const struct step beyond = {.index = INT64_MAX};
    static const struct tl_json_path all = {.steps_count = 1, .steps = &beyond};
    struct scan inner = {.path = &all, .at = s->at, .end = s->end};

    return find(&inner) ? inner.place[0] : -1;
}

/* A bracket stands at `at`. `reached`: all steps so far lead to it. */
static bool open_bracket(struct scan *s, bool reached)
{
    bool object = *s->at == '{';

    if (s->depth == DEPTH_MAX)
        return false;
    if (reached && s->depth < s->path->steps_count) {
        const struct step *step = &s->path->steps[s->depth];
        int64_t wanted = step->key.data == NULL ? step->index : INT64_MAX;

        if (!object && wanted < 0) {
            int64_t length = array_length(s);

            if (length < 0)
                return false;
            wanted += length;
        }
        s->place[s->depth] = 0;
        s->wanted[s->depth] = wanted;
        s->on_path = s->depth + 1;
    }
    s->at++;
    if (object)
        s->objects[s->depth / 64] |= UINT64_C(1) << (s->depth % 64);
    else
        s->objects[s->depth / 64] &= ~(UINT64_C(1) << (s->depth % 64));
    s->depth++;
    return true;
}

static void close_bracket(struct scan *s)
{
    s->at++;
    if (s->on_path == s->depth)
        s->on_path--;
    s->depth--;
}

static bool key_is(struct tl_sv wanted, struct tl_sv written, bool escaped)
{
    char plain[KEY_WRITTEN_MAX];
    size_t size;

    if (!escaped)
        return tl_sv_eq(written, wanted);
    return written.size <= sizeof plain && tl_json_unescape(written, plain, &size) &&
           tl_sv_eq((struct tl_sv){plain, size}, wanted);
}

/* The next member's key and colon, or nothing of an array. *reached: the step leads to its value. */
static bool begin_value(struct scan *s, bool *reached)
{
    const struct step *step = s->depth == s->on_path ? &s->path->steps[s->depth - 1] : NULL;
    struct tl_sv key;
    bool escaped;

    skip_blanks(s);
    if (!in_object(s)) {
        *reached = step != NULL && s->place[s->depth - 1]++ == s->wanted[s->depth - 1];
        return true;
    }
    if (s->at == s->end || *s->at++ != '"' || !scan_string(s, &key, &escaped))
        return false;
    skip_blanks(s);
    if (s->at == s->end || *s->at++ != ':')
        return false;
    *reached = step != NULL && step->key.data != NULL && key_is(step->key, key, escaped);
    return true;
}

/* Behind a value: closes what ends here. *more: another value follows. */
static bool end_value(struct scan *s, bool *more)
{
    for (*more = false; s->depth > 0;) {
        skip_blanks(s);
        if (s->at == s->end)
            return false;
        if (*s->at == ',') {
            s->at++;
            *more = true;
            return true;
        }
        if (*s->at != (in_object(s) ? '}' : ']'))
            return false;
        close_bracket(s);
    }
    return true;
}

/* Walks the value at `at`. False: it is no JSON. */
static bool find(struct scan *s)
{
    bool reached = true, more = true;

    s->kind = TL_JSON_ABSENT;
    while (more) {
        bool last = reached && s->depth == s->path->steps_count;
        enum tl_json_kind kind = TL_JSON_CONTAINER;
        struct tl_sv value = {NULL, 0};

        skip_blanks(s);
        if (s->at == s->end)
            return false;
        if (reached)
            s->kind = TL_JSON_ABSENT;
        if (*s->at == '{' || *s->at == '[') {
            if (last)
                s->kind = kind;
            if (!open_bracket(s, reached))
                return false;
            skip_blanks(s);
            if (s->at == s->end)
                return false;
            if (*s->at != (in_object(s) ? '}' : ']')) {
                if (!begin_value(s, &reached))
                    return false;
                continue;
            }
            close_bracket(s);
        } else {
            if (!scan_scalar(s, &kind, &value))
                return false;
            if (last) {
                s->kind = kind;
                s->value = value;
            }
        }
        if (!end_value(s, &more) || (more && !begin_value(s, &reached)))
            return false;
    }
    return true;
}

enum tl_json_kind tl_json_path_find(const struct tl_json_path *path, struct tl_sv text, struct tl_sv *out)
{
    struct scan scan;

    scan.path = path;
    scan.at = text.size > 0 ? text.data : "";
    scan.end = scan.at + text.size;
    scan.depth = scan.on_path = 0;
    memset(scan.objects, 0, sizeof scan.objects);
    if (!find(&scan))
        return TL_JSON_NOT_JSON;
    if (scan.kind >= TL_JSON_STRING)
        *out = scan.value;
    return scan.kind;
}
