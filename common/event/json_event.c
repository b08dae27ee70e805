/* json_event.c: bytes of a message -> rows with the wanted columns. See json_event.h.
 *
 * Three steps. simdjson finds where the tokens begin (json_simd.h) and judges UTF-8 and control characters over the whole message.
 * The walk goes over every token of the top level: key, colon, value, comma; what a value holds is skipped by counting brackets.
 * All that makes a dead letter is decided in these two, and neither asks which columns are wanted: the walk only notes where the
 * value of a wanted key lies, the last one of several. Then put_row() converts the noted values.
 *
 * What tokens give for free: between the begin of a string and the next token lie that string, its closing quote, and white space.
 * So a string's end is found from behind, without reading the string. */
#include "event/json_event.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/json_simd.h"
#include "event/json_text.h"
#include "event/timestamp.h"

/* Where the value of a wanted key lies: tokens [begin, end). begin 0: not there (token 0 is the message's first bracket). */
struct place {
    uint32_t begin, end;
};

struct tl_json_event {
    const struct tl_schema *schema;
    struct tl_json_simd *simd;
    struct place *place; /* per field, all zero between two objects */
    char *closing;       /* per open bracket: the one that must close it */
    /* Wanted names by hash: slot -> field + 1, then along `next`; 0 ends. Nearly always a slot has one field. */
    struct wanted *wanted;
    uint32_t *slots;
    uint64_t multiplier;
    uint32_t shift;
    struct expected *expected; /* by a key's number in its object */
    char *key;                 /* room for a key whose escapes are taken out */
    size_t key_max;            /* a longer one, as written, can be no wanted name */
    /* The message under way, or its repaired copy. */
    const char *text;
    const uint32_t *tokens;
    uint32_t tokens_count;
};

/* ---- wanted names ---- */

/* A name in two words: its first eight bytes (fewer: zeros behind them) and, if it has more, its last eight. Two loads and a
 * comparison for what nearly all keys are; memcmp and memchr were 10% of an event's time (bench_json_rate). */
struct name {
    uint64_t head, tail;
};

struct wanted {
    struct name name;
    struct tl_sv text;
    uint32_t next;
};

/* The key that the object before had at this place, and what it names: the events of one source mostly have the same keys in the same
 * order, and to see that a key is the expected one takes no hash, no search and not even its end. */
struct expected {
    struct name name, mask; /* of the bytes that `name` has; a mask of zeros and a name that is none: nothing is expected */
    uint32_t size, tail_at;
    uint32_t field; /* and 1; 0: none is wanted */
};

enum { EXPECTED_KEYS = 32, EXPECTED_SIZE_MAX = 16 };

static inline uint64_t load_word(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof word);
    return word;
}

/* Keeps the first `size` (1 to 7) bytes in memory's order. */
static inline uint64_t keep_bytes(uint64_t word, size_t size)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return word & (UINT64_MAX >> (64 - 8 * size));
#else
    return word & (UINT64_MAX << (64 - 8 * size));
#endif
}

/* Reads up to eight bytes at `text` whatever its size: behind a key stands its message, behind that the padding. */
static inline struct name name_of(const char *text, size_t size)
{
    struct name name = {0, 0};

    if (size >= 8) {
        name.head = load_word(text);
        name.tail = size > 8 ? load_word(text + size - 8) : 0;
    } else if (size > 0) {
        name.head = keep_bytes(load_word(text), size);
    }
    return name;
}

static inline bool word_has(uint64_t word, char c)
{
    uint64_t zero_where = word ^ (UINT64_C(0x0101010101010101) * (unsigned char)c);

    return ((zero_where - UINT64_C(0x0101010101010101)) & ~zero_where & UINT64_C(0x8080808080808080)) != 0;
}

static inline uint32_t slot_of(const struct tl_json_event *p, struct name name, size_t size)
{
    return (uint32_t)(((name.head ^ (name.tail << 3 | name.tail >> 61) ^ size) * p->multiplier) >> p->shift);
}

/* Puts every field into its slot and returns how many had to share one. */
static uint32_t fill_slots(struct tl_json_event *p)
{
    uint32_t shared = 0;

    memset(p->slots, 0, sizeof *p->slots << (64 - p->shift));
    for (uint32_t f = 0; f < p->schema->fields_count; f++) {
        uint32_t *slot = &p->slots[slot_of(p, p->wanted[f].name, p->wanted[f].text.size)];

        shared += *slot != 0;
        p->wanted[f].next = *slot;
        *slot = f + 1;
    }
    return shared;
}

static enum tl_code make_slots(struct tl_json_event *p, struct tl_err *err)
{
    uint32_t fields = p->schema->fields_count, bits = 4, shared_best = UINT32_MAX;
    uint64_t multiplier = UINT64_C(0x9e3779b97f4a7c15), multiplier_best = 0;

    /* Eight slots a field: most other keys of the events then meet an empty one. */
    while (bits < 20 && (UINT32_C(1) << bits) < fields * 8)
        bits++;
    p->shift = 64 - bits;
    p->slots = malloc(sizeof *p->slots << bits);
    p->wanted = calloc(fields ? fields : 1, sizeof *p->wanted);
    if (p->slots == NULL || p->wanted == NULL)
        return tl_fail_memory(err, sizeof *p->slots << bits);
    for (uint32_t f = 0; f < fields; f++) {
        struct tl_sv text = p->schema->fields[f].name;
        char first[8] = {0};

        memcpy(first, text.size ? text.data : "", text.size < 8 ? text.size : 8);
        p->wanted[f].name = text.size < 8 ? name_of(first, text.size) : name_of(text.data, text.size);
        p->wanted[f].text = text;
    }
    for (unsigned i = 0; i < 64 && shared_best > 0; i++, multiplier = multiplier * 5 + 2) {
        uint32_t shared;

        p->multiplier = multiplier | 1;
        shared = fill_slots(p);
        if (shared < shared_best) {
            shared_best = shared;
            multiplier_best = p->multiplier;
        }
    }
    p->multiplier = multiplier_best;
    (void)fill_slots(p);
    return TL_OK;
}

/* The field's number and 1; 0: not wanted. */
static inline uint32_t find_plain(const struct tl_json_event *p, struct name name, const char *text, size_t size)
{
    uint32_t f = p->slots[slot_of(p, name, size)];

    while (f != 0) {
        const struct wanted *wanted = &p->wanted[f - 1];

        if (wanted->text.size == size && wanted->name.head == name.head && wanted->name.tail == name.tail &&
            (size <= 16 || memcmp(wanted->text.data, text, size) == 0))
            break;
        f = wanted->next;
    }
    return f;
}

/* ---- texts ---- */

static inline bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Writes what the normaliser makes of the message, or only counts when `out` is NULL. Ill-formed UTF-8 becomes U+FFFD. Raw control
 * characters in strings become escapes, and NUL U+FFFD; behind a backslash, where none of them may stand, an 'x', where none may
 * stand either. 0x0c and 0x1a outside strings are no white space, but some of simdjson's code lists them as tokens of their
 * own: as another control character they are the same everywhere. A backslash outside strings escapes too, as in simdjson. */
static size_t repair(struct tl_sv in, char *out)
{
    static const char hex[] = "0123456789ABCDEF";
    bool in_string = false, escaped = false;
    size_t size = 0;

    for (size_t i = 0, step; i < in.size; i += step) {
        unsigned char c = (unsigned char)in.data[i];
        const char *put = in.data + i;
        char escape[6] = {'\\', 'u', '0', '0', 0, 0};
        size_t put_size = 1;

        step = 1;
        if (c >= 0x80) {
            put_size = step = tl_utf8_size(in.data + i, in.size - i);
            if (step == 0) {
                step = tl_utf8_ill_formed_size(in.data + i, in.size - i);
                put = "\xef\xbf\xbd";
                put_size = 3;
            }
        } else if (c < 0x20 && in_string && escaped) {
            put = "x";
        } else if (c < 0x20 && in_string) {
            put = escape;
            put_size = 2;
            switch (c) {
            case '\b': escape[1] = 'b'; break;
            case '\t': escape[1] = 't'; break;
            case '\n': escape[1] = 'n'; break;
            case '\f': escape[1] = 'f'; break;
            case '\r': escape[1] = 'r'; break;
            case 0:
                put = "\xef\xbf\xbd";
                put_size = 3;
                break;
            default:
                escape[4] = hex[c >> 4];
                escape[5] = hex[c & 15];
                put_size = 6;
            }
        } else if (c == 0x0c || c == 0x1a) {
            put = "\x01";
        } else if (c == '"' && !escaped) {
            in_string = !in_string;
        }
        escaped = c == '\\' && !escaped;
        if (out != NULL)
            memcpy(out + size, put, put_size);
        size += put_size;
    }
    return size;
}

/* ---- the walk ---- */

/* 0: well-formed so far. */
typedef unsigned verdict;

static inline bool is_opening(char c)
{
    return (c & 0xdf) == '[';
}

static inline bool is_closing(char c)
{
    return (c & 0xdf) == ']';
}

/* `*at` is the token behind an opening bracket that lies in `level` others; moves it behind the closing one. */
static verdict skip_brackets(struct tl_json_event *p, uint32_t *at, char opening, uint32_t level)
{
    const char *text = p->text;
    const uint32_t *tokens = p->tokens;
    char *closing = p->closing;
    uint32_t i = *at, count = p->tokens_count, depth = level, depth_max = p->schema->depth_max;

    if (depth >= depth_max)
        return TL_DEAD_TOO_DEEP;
    closing[depth++] = (char)(opening + 2);
    while (i < count) {
        char c = text[tokens[i++]];

        if (is_opening(c)) {
            if (depth >= depth_max)
                return TL_DEAD_TOO_DEEP;
            closing[depth++] = (char)(c + 2);
        } else if (is_closing(c)) {
            if (closing[--depth] != c)
                return TL_DEAD_NOT_JSON;
            if (depth == level) {
                *at = i;
                return 0;
            }
        }
    }
    return TL_DEAD_NOT_JSON;
}

/* The wanted field that the key names, and 1; 0: none. A key without escapes, which nearly all are, is compared as it stands. */
static inline uint32_t find_field(const struct tl_json_event *p, const char *key, size_t size)
{
    struct name name = name_of(key, size);
    uint32_t f = find_plain(p, name, key, size);
    size_t plain_size;

    if (f != 0 || size > p->key_max || size < 2)
        return f;
    if (size <= 16 ? !word_has(name.head, '\\') && !word_has(name.tail, '\\') : memchr(key, '\\', size) == NULL)
        return 0;
    if (!tl_json_unescape((struct tl_sv){key, size}, p->key, &plain_size))
        return 0;
    return find_plain(p, name_of(p->key, plain_size), p->key, plain_size);
}

static void expect(struct expected *expected, struct name name, size_t size, uint32_t field)
{
    if (size > EXPECTED_SIZE_MAX)
        return;
    expected->name = name;
    expected->mask.head = size >= 8 ? UINT64_MAX : size > 0 ? keep_bytes(UINT64_MAX, size) : 0;
    expected->mask.tail = size > 8 ? UINT64_MAX : 0;
    expected->size = (uint32_t)size;
    expected->tail_at = size > 8 ? (uint32_t)size - 8 : 0;
    expected->field = field;
}

/* The same for a key by its number in the object. Where its bytes are those that the key before had between its quotes, the quote behind
 * them is its end: what stands in a string, whole, holds no quote and takes none with it. */
static inline uint32_t find_expected(struct tl_json_event *p, uint32_t number, const char *key, const char *colon)
{
    struct expected *expected = &p->expected[number < EXPECTED_KEYS ? number : EXPECTED_KEYS - 1];
    struct name differs = {(load_word(key) & expected->mask.head) ^ expected->name.head,
                           (load_word(key + expected->tail_at) & expected->mask.tail) ^ expected->name.tail};
    const char *end = colon;
    size_t size;
    uint32_t field;

    if ((differs.head | differs.tail) == 0 && key[expected->size] == '"')
        return expected->field;
    do
        end--;
    while (*end != '"');
    size = (size_t)(end - key);
    field = find_field(p, key, size);
    expect(expected, name_of(key, size), size, field);
    return field;
}

/* `*at` is the object's opening token, within `level` brackets; moves it behind the closing one. */
static verdict walk_object(struct tl_json_event *p, uint32_t *at, uint32_t level, uint8_t *flags)
{
    const char *text = p->text;
    const uint32_t *tokens = p->tokens;
    uint32_t i = *at + 1, count = p->tokens_count;
    verdict bad;

    if (level >= p->schema->depth_max)
        return TL_DEAD_TOO_DEEP;
    if (i < count && text[tokens[i]] == '}') {
        *at = i + 1;
        return 0;
    }
    for (uint32_t number = 0;; number++) {
        const char *key, *colon;
        uint32_t f, value = i + 2;

        if (count - i < 4) /* key, colon, value, comma or brace */
            return TL_DEAD_NOT_JSON;
        key = text + tokens[i];
        colon = text + tokens[i + 1];
        if (*key != '"' || *colon != ':')
            return TL_DEAD_NOT_JSON;
        f = find_expected(p, number, key + 1, colon);
        i += 3;
        switch (text[tokens[value]]) {
        case '{':
        case '[':
            bad = skip_brackets(p, &i, text[tokens[value]], level + 1);
            if (bad)
                return bad;
            if (i >= count)
                return TL_DEAD_NOT_JSON;
            break;
        case '}':
        case ']':
        case ',':
        case ':': return TL_DEAD_NOT_JSON;
        default: break;
        }
        if (f != 0) {
            struct place *place = &p->place[f - 1];

            if (place->begin != 0)
                *flags |= TL_FLAG_DUP_KEY;
            *place = (struct place){value, i};
        }
        switch (text[tokens[i++]]) {
        case ',': continue;
        case '}': *at = i; return 0;
        default: return TL_DEAD_NOT_JSON;
        }
    }
}

/* ---- values ---- */

enum took { TOOK, TOOK_NULL, TOOK_CLAMPED, TOOK_BAD, TOOK_NO_MEMORY };

/* Checks that the container at `at` is JSON, and writes it without white space. `out` has room for all of it. Brackets were
 * counted before, so `closing` has room for them. NULL when it is not JSON. */
static char *put_compact(const struct tl_json_event *p, const char *at, const char *end, char *out)
{
    enum { VALUE, VALUE_OR_END, KEY, KEY_OR_END, BEHIND } want = VALUE;
    uint32_t depth = 0, depth_max = p->schema->depth_max;
    char *closing = p->closing;

    for (;;) {
        struct tl_json_number number;
        const char *from;

        while (at < end && is_blank(*at))
            at++;
        if (at == end)
            return NULL;
        from = at;
        if (want == BEHIND && *at == ',') {
            want = closing[depth - 1] == '}' ? KEY : VALUE;
            *out++ = *at++;
            continue;
        }
        if (is_closing(*at) && want != VALUE && want != KEY) {
            if (depth == 0 || closing[--depth] != *at)
                return NULL;
            *out++ = *at++;
            if (depth == 0)
                return out;
            want = BEHIND;
            continue;
        }
        if (want == BEHIND)
            return NULL;
        if (*at == '"') {
            for (at++; at < end && *at != '"'; at++)
                if (*at == '\\') {
                    at++;
                    if (at == end || strchr("\"\\/bfnrtu", *at) == NULL || (*at == 'u' && tl_json_hex_four(at + 1, end) < 0))
                        return NULL;
                }
            if (at == end)
                return NULL;
            at++;
            if (want == KEY || want == KEY_OR_END) {
                memcpy(out, from, (size_t)(at - from));
                out += at - from;
                while (at < end && is_blank(*at))
                    at++;
                if (at == end || *at != ':')
                    return NULL;
                *out++ = *at++;
                want = VALUE;
                continue;
            }
        } else if (want == KEY || want == KEY_OR_END) {
            return NULL;
        } else if (is_opening(*at)) {
            if (depth >= depth_max)
                return NULL;
            closing[depth++] = (char)(*at + 2);
            want = *at == '{' ? KEY_OR_END : VALUE_OR_END;
            *out++ = *at++;
            continue;
        } else if (end - at >= 4 && (memcmp(at, "true", 4) == 0 || memcmp(at, "null", 4) == 0)) {
            at += 4;
        } else if (end - at >= 5 && memcmp(at, "false", 5) == 0) {
            at += 5;
        } else if (tl_json_number_scan(at, end, &number)) {
            at = number.end;
        } else {
            return NULL;
        }
        memcpy(out, from, (size_t)(at - from));
        out += at - from;
        want = BEHIND;
    }
}

/* Java's Double.toString (as specified since JDK 19: fewest digits, but two if that is nearer). `value` is finite. */
static size_t put_java_double(char out[64], double value)
{
    char digits[32], two[32];
    int exponent = 1;
    unsigned count;
    char *at = out;

    if (signbit(value)) {
        *at++ = '-';
        value = -value;
    }
    if (value == 0) {
        at[0] = at[2] = '0';
        at[1] = '.';
        return (size_t)(at + 3 - out);
    }
    count = tl_json_simd_shortest(value, digits, &exponent);
    if (count == 1) {
        double back;
        int size = snprintf(two, sizeof two, "%.1e", value); /* 4.9E-324, not 5E-324 */

        two[1] = '.';
        if (tl_sv_to_f64((struct tl_sv){two, (size_t)size}, &back) && back == value && two[2] != '0') {
            digits[0] = two[0];
            digits[count++] = two[2];
            exponent = (int)strtol(two + 4, NULL, 10) + 1;
        }
    }
    if (exponent > -3 && exponent <= 7) { /* 0.001 <= value < 10,000,000 */
        if (exponent <= 0) {
            *at++ = '0';
            *at++ = '.';
            for (int i = exponent; i < 0; i++)
                *at++ = '0';
            memcpy(at, digits, count);
            at += count;
        } else {
            for (int i = 0; i < exponent; i++)
                *at++ = (unsigned)i < count ? digits[i] : '0';
            *at++ = '.';
            if (count > (unsigned)exponent) {
                memcpy(at, digits + exponent, count - (unsigned)exponent);
                at += count - (unsigned)exponent;
            } else {
                *at++ = '0';
            }
        }
        return (size_t)(at - out);
    }
    *at++ = digits[0];
    *at++ = '.';
    if (count > 1) {
        memcpy(at, digits + 1, count - 1);
        at += count - 1;
    } else {
        *at++ = '0';
    }
    at += snprintf(at, 8, "E%d", exponent - 1);
    return (size_t)(at - out);
}

/* What a scalar or a container is, before a column's type is asked. */
struct found {
    enum { FOUND_STRING, FOUND_INTEGER, FOUND_FLOAT, FOUND_TRUE, FOUND_FALSE, FOUND_NULL, FOUND_CONTAINER } what;
    struct tl_sv text; /* of a string: without its escapes; of a number: as written; of a container: compact */
};

/* The string that begins at token `begin`: its bytes between the quotes, escapes and all. */
static inline struct tl_sv string_inside(const struct tl_json_event *p, const struct place *place)
{
    const char *from = p->text + p->tokens[place->begin] + 1, *to = p->text + p->tokens[place->end];

    do
        to--;
    while (*to != '"');
    return (struct tl_sv){from, (size_t)(to - from)};
}

/* Eight bytes a step, and up to seven behind the string are read: they are the message's or its padding's. */
static inline bool has_escape(struct tl_sv inside)
{
    size_t i = 0;

    if (inside.size > 128)
        return memchr(inside.data, '\\', inside.size) != NULL;
    for (; i + 8 <= inside.size; i += 8)
        if (word_has(load_word(inside.data + i), '\\'))
            return true;
    return i < inside.size && word_has(keep_bytes(load_word(inside.data + i), inside.size - i), '\\');
}

static inline enum took take_string(struct tl_sv inside, struct tl_arena *arena, struct tl_sv *out)
{
    char *copy;

    if (!has_escape(inside)) {
        *out = inside;
        return TOOK;
    }
    copy = tl_arena_bytes(arena, inside.size);
    if (copy == NULL)
        return TOOK_NO_MEMORY;
    out->data = copy;
    return tl_json_unescape(inside, copy, &out->size) ? TOOK : TOOK_BAD;
}

static enum took look(const struct tl_json_event *p, const struct place *place, struct tl_arena *arena, struct found *out)
{
    const char *from = p->text + p->tokens[place->begin], *to = p->text + p->tokens[place->end];
    struct tl_json_number number;
    size_t size;

    if (*from == '"') {
        out->what = FOUND_STRING;
        return take_string(string_inside(p, place), arena, &out->text);
    }
    while (to > from && is_blank(to[-1]))
        to--;
    size = (size_t)(to - from);
    if (is_opening(*from)) {
        char *copy = tl_arena_bytes(arena, size), *end;

        if (copy == NULL)
            return TOOK_NO_MEMORY;
        end = put_compact(p, from, to, copy);
        if (end == NULL)
            return TOOK_BAD;
        *out = (struct found){
            FOUND_CONTAINER, {copy, (size_t)(end - copy)}
        };
        return TOOK;
    }
    out->text = (struct tl_sv){from, size};
    if (tl_json_number_scan(from, to, &number) && number.end == to)
        out->what = number.is_integer ? FOUND_INTEGER : FOUND_FLOAT;
    else if (size == 4 && memcmp(from, "null", 4) == 0)
        out->what = FOUND_NULL;
    else if (size == 4 && memcmp(from, "true", 4) == 0)
        out->what = FOUND_TRUE;
    else if (size == 5 && memcmp(from, "false", 5) == 0)
        out->what = FOUND_FALSE;
    else
        return TOOK_BAD;
    return TOOK;
}

/* Java's String.trim: all up to the space, at both ends. */
static struct tl_sv java_trim(struct tl_sv text)
{
    while (text.size > 0 && (unsigned char)text.data[0] <= ' ') {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && (unsigned char)text.data[text.size - 1] <= ' ')
        text.size--;
    return text;
}

/* Double.parseDouble takes a type's letter behind the number. */
static struct tl_sv without_suffix(struct tl_sv text)
{
    if (text.size > 0 && strchr("fFdD", text.data[text.size - 1]) != NULL && text.data[text.size - 1] != '\0')
        text.size--;
    return text;
}

static enum took to_text(const struct found *found, struct tl_arena *arena, struct tl_sv *out)
{
    char digits[64];
    double value;

    switch (found->what) {
    case FOUND_TRUE: *out = TL_SV("true"); return TOOK;
    case FOUND_FALSE: *out = TL_SV("false"); return TOOK;
    case FOUND_INTEGER: *out = tl_sv_eq(found->text, TL_SV("-0")) ? TL_SV("0") : found->text; return TOOK;
    case FOUND_FLOAT:
        if (!tl_sv_to_f64(found->text, &value))
            return TOOK_BAD;
        return tl_arena_copy(arena, (struct tl_sv){digits, put_java_double(digits, value)}, out) ? TOOK : TOOK_NO_MEMORY;
    case FOUND_STRING:
    case FOUND_CONTAINER:
    case FOUND_NULL: break;
    }
    *out = found->text;
    return TOOK;
}

static enum took to_integer(const struct found *found, enum tl_kind kind, int64_t *out)
{
    int64_t min, max, value;
    double real;

    switch (found->what) {
    case FOUND_INTEGER:
    case FOUND_STRING:
        if (!tl_sv_to_i64(found->what == FOUND_STRING ? java_trim(found->text) : found->text, &value))
            return TOOK_BAD;
        break;
    case FOUND_FLOAT:
        /* Byte.parseByte and Short.parseShort take no point; an INT or BIGINT is cut towards zero. */
        if ((kind != TL_INT && kind != TL_BIGINT) || !tl_sv_to_f64(found->text, &real))
            return TOOK_BAD;
        if (kind == TL_INT && (real < INT32_MIN || real > INT32_MAX))
            return TOOK_BAD;
        if (real < -0x1p63 || real > 0x1p63)
            return TOOK_BAD;
        value = real == 0x1p63 ? INT64_MAX : (int64_t)real; /* Java's cast */
        break;
    case FOUND_TRUE:
    case FOUND_FALSE:
    case FOUND_NULL:
    case FOUND_CONTAINER:
    default: return TOOK_BAD;
    }
    tl_kind_range(kind, &min, &max);
    if (value < min || value > max)
        return TOOK_BAD;
    *out = value;
    return TOOK;
}

static enum took to_real(const struct found *found, enum tl_kind kind, double *out)
{
    struct tl_sv text = found->text;
    double value;
    float narrow;

    switch (found->what) {
    case FOUND_STRING: text = without_suffix(java_trim(text)); break;
    case FOUND_INTEGER:
    case FOUND_FLOAT: break;
    case FOUND_TRUE:
    case FOUND_FALSE:
    case FOUND_NULL:
    case FOUND_CONTAINER:
    default: return TOOK_BAD;
    }
    if (!tl_sv_to_f64(text, &value))
        return TOOK_BAD;
    if (kind == TL_FLOAT) {
        /* A JSON number with a point goes through double in Flink too; others are rounded once. */
        if (text.size > 0 && text.data[0] == '+') {
            text.data++;
            text.size--;
        }
        if (found->what == FOUND_FLOAT || !tl_json_simd_to_float(text.data, text.size, &narrow))
            narrow = (float)value;
        if (isinf(narrow))
            return TOOK_BAD;
        value = (double)narrow;
    }
    *out = value;
    return TOOK;
}

static bool to_time(const struct tl_schema *schema, enum tl_kind kind, struct tl_sv text, int64_t *ms, bool *clamped)
{
    if (schema->time_format == TL_TIME_ISO_8601)
        return kind == TL_TIMESTAMP_LTZ ? tl_time_from_iso_z(text, ms, clamped) : tl_time_from_iso(text, ms, clamped);
    return kind == TL_TIMESTAMP_LTZ ? tl_time_from_sql_z(text, ms, clamped) : tl_time_from_sql(text, ms, clamped);
}

/* Converts the value at `place` into row `row` of the column; writes nothing unless TOOK or TOOK_CLAMPED. */
static enum took take_slow(const struct tl_json_event *p, const struct place *place, struct tl_arena *arena,
                           struct tl_vec *column, uint32_t row)
{
    enum tl_kind kind = column->kind;
    struct found found;
    enum took took = look(p, place, arena, &found);
    bool clamped = false;

    if (took != TOOK)
        return took;
    if (found.what == FOUND_NULL)
        return TOOK_NULL;
    switch (kind) {
    case TL_STRING: return to_text(&found, arena, &column->sv[row]);
    case TL_BOOLEAN:
        column->i64[row] =
            found.what == FOUND_TRUE || (found.what == FOUND_STRING && tl_sv_eq_nocase(java_trim(found.text), TL_SV("true")));
        return TOOK;
    case TL_TINYINT:
    case TL_SMALLINT:
    case TL_INT:
    case TL_BIGINT: return to_integer(&found, kind, &column->i64[row]);
    case TL_FLOAT:
    case TL_DOUBLE: return to_real(&found, kind, &column->f64[row]);
    case TL_TIMESTAMP:
    case TL_TIMESTAMP_LTZ:
        if (found.what != FOUND_STRING || !to_time(p->schema, kind, found.text, &column->i64[row], &clamped))
            return TOOK_BAD;
        return clamped ? TOOK_CLAMPED : TOOK;
    case TL_INTERVAL:
    case TL_NULL: break;
    }
    return TOOK_BAD;
}

/* What nearly all values are: a string without escapes for a text or a time, and a NULL. */
static inline enum took take(const struct tl_json_event *p, const struct place *place, struct tl_arena *arena,
                             struct tl_vec *column, uint32_t row)
{
    const char *from = p->text + p->tokens[place->begin];

    if (*from == '"') {
        bool clamped = false;

        if (column->kind == TL_STRING)
            return take_string(string_inside(p, place), arena, &column->sv[row]);
        /* A time with an escape in it is tried again without. */
        if (column->kind == TL_TIMESTAMP_LTZ &&
            to_time(p->schema, TL_TIMESTAMP_LTZ, string_inside(p, place), &column->i64[row], &clamped))
            return clamped ? TOOK_CLAMPED : TOOK;
    } else if (p->text + p->tokens[place->end] - from == 4 && memcmp(from, "null", 4) == 0) {
        return TOOK_NULL;
    }
    return take_slow(p, place, arena, column, row);
}

/* ---- rows ---- */

static void set_null(struct tl_vec *column, uint32_t row)
{
    column->null[row] = 1;
    if (tl_kind_form(column->kind) == TL_FORM_TEXT)
        column->sv[row] = (struct tl_sv){NULL, 0};
    else
        column->i64[row] = 0; /* as bytes, 0.0 too */
}

/* The batch has room for the row. */
static enum tl_code put_row(struct tl_json_event *p, const struct tl_message *message, uint32_t number, uint8_t flags,
                            struct tl_batch *batch, struct tl_err *err)
{
    uint32_t row = batch->rows, fields = p->schema->fields_count;
    uint8_t *bad = batch->bad + (size_t)row * fields;

    for (uint32_t f = 0; f < fields; f++) {
        struct tl_vec *column = &batch->column[f];
        enum took took = p->place[f].begin == 0 ? TOOK_NULL : take(p, &p->place[f], &batch->text, column, row);

        p->place[f].begin = 0;
        bad[f] = 0;
        column->null[row] = 0;
        if (took == TOOK)
            continue;
        if (took == TOOK_NO_MEMORY)
            return tl_fail_memory(err, message->value.size);
        if (took == TOOK_CLAMPED) {
            flags |= TL_FLAG_DATE_CLAMPED;
            continue;
        }
        set_null(column, row);
        if (took == TOOK_BAD) {
            bad[f] = 1;
            flags |= TL_FLAG_BAD_FIELD;
        }
    }
    batch->offset[row] = message->offset;
    batch->log_ms[row] = message->log_ms;
    batch->row[row] = number;
    batch->flags[row] = flags;
    batch->raw[row] = message->value;
    batch->rows = row + 1;
    return TL_OK;
}

static enum tl_code put_dead(const struct tl_message *message, uint32_t number, verdict reason, struct tl_batch *batch,
                             struct tl_err *err)
{
    struct tl_dead dead = {.offset = message->offset,
                           .log_ms = message->log_ms,
                           .row = number,
                           .reason = (enum tl_dead_reason)reason,
                           .raw = message->value};

    return tl_batch_add_dead(batch, &dead, err);
}

static enum tl_code read_object(struct tl_json_event *p, const struct tl_message *message, uint32_t *at, uint32_t level,
                                uint32_t number, struct tl_batch *batch, verdict *bad, struct tl_err *err)
{
    enum tl_code rc = TL_OK;
    uint8_t flags = 0;

    *bad = walk_object(p, at, level, &flags);
    if (*bad)
        return TL_OK;
    if (batch->rows == batch->capacity)
        TL_TRY(tl_batch_reserve(batch, 1, err));
    TL_TRY(put_row(p, message, number, flags, batch, err));
out:
    return rc;
}

static enum tl_code read_array(struct tl_json_event *p, const struct tl_message *message, uint32_t *at, struct tl_batch *batch,
                               verdict *bad, struct tl_err *err)
{
    enum tl_code rc = TL_OK;
    uint32_t i = 1, count = p->tokens_count;

    *bad = TL_DEAD_NOT_JSON;
    if (p->schema->depth_max < 1) {
        *bad = TL_DEAD_TOO_DEEP;
        return TL_OK;
    }
    if (i < count && p->text[p->tokens[i]] == ']') {
        *at = i + 1;
        *bad = TL_DEAD_EMPTY;
        return TL_OK;
    }
    for (uint32_t number = 0;; number++) {
        char c;

        if (i >= count)
            return TL_OK;
        c = p->text[p->tokens[i]];
        if (c == '{') {
            verdict inner;

            TL_TRY(read_object(p, message, &i, 1, number, batch, &inner, err));
            if (inner) {
                *bad = inner;
                return TL_OK;
            }
        } else if (is_closing(c) || c == ',' || c == ':') {
            return TL_OK;
        } else {
            i++;
            if (c == '[') {
                verdict inner = skip_brackets(p, &i, c, 1);

                if (inner) {
                    *bad = inner;
                    return TL_OK;
                }
            }
            TL_TRY(put_dead(message, number, TL_DEAD_NOT_OBJECT, batch, err));
        }
        if (i >= count)
            return TL_OK;
        c = p->text[p->tokens[i++]];
        if (c == ']')
            break;
        if (c != ',')
            return TL_OK;
    }
    *at = i;
    *bad = 0;
out:
    return rc;
}

/* Neither an object nor an array: is it at least a JSON value? */
static verdict judge_scalar(const struct tl_json_event *p, size_t size, uint32_t *at)
{
    const char *from = p->text + p->tokens[0], *to = p->tokens_count > 1 ? p->text + p->tokens[1] : p->text + size;
    struct tl_json_number number;

    *at = 1;
    while (to > from && is_blank(to[-1]))
        to--;
    if (*from == '"' || (to - from == 4 && (memcmp(from, "null", 4) == 0 || memcmp(from, "true", 4) == 0)) ||
        (to - from == 5 && memcmp(from, "false", 5) == 0) || (tl_json_number_scan(from, to, &number) && number.end == to))
        return TL_DEAD_NOT_OBJECT;
    return TL_DEAD_NOT_JSON;
}

/* The tokens are found: appends rows and dead letters of single elements, or says why the whole message is a dead letter. */
static enum tl_code read_tokens(struct tl_json_event *p, const struct tl_message *message, size_t size, struct tl_batch *batch,
                                verdict *bad, struct tl_err *err)
{
    uint32_t at = 0;
    enum tl_code rc = TL_OK;

    switch (p->text[p->tokens[0]]) {
    case '{': TL_TRY(read_object(p, message, &at, 0, 0, batch, bad, err)); break;
    case '[': TL_TRY(read_array(p, message, &at, batch, bad, err)); break;
    default: *bad = judge_scalar(p, size, &at); break;
    }
    if (at != p->tokens_count && (*bad == 0 || *bad == TL_DEAD_EMPTY || *bad == TL_DEAD_NOT_OBJECT))
        *bad = TL_DEAD_TRAILING;
out:
    return rc;
}

static bool has_odd_control(struct tl_sv text)
{
    return memchr(text.data, 0x0c, text.size) != NULL || memchr(text.data, 0x1a, text.size) != NULL;
}

static void forget_places(struct tl_json_event *p)
{
    memset(p->place, 0, p->schema->fields_count * sizeof *p->place);
}

static verdict find_tokens(struct tl_json_event *p, struct tl_sv text, struct tl_batch *batch, bool *wants_repair,
                           bool *no_memory)
{
    bool grown = false;
    enum tl_json_simd_found found = tl_json_simd_find(p->simd, text.data, text.size, &p->tokens, &p->tokens_count, &grown);

    p->text = text.data;
    batch->allocations_count += grown;
    switch (found) {
    case TL_JSON_SIMD_TOKENS: return 0;
    case TL_JSON_SIMD_EMPTY: return TL_DEAD_EMPTY;
    case TL_JSON_SIMD_REPAIR: *wants_repair = true; break;
    case TL_JSON_SIMD_TOO_LARGE: return TL_DEAD_TOO_LARGE;
    case TL_JSON_SIMD_NO_MEMORY: *no_memory = true; break;
    case TL_JSON_SIMD_UNCLOSED: break;
    }
    return TL_DEAD_NOT_JSON;
}

enum tl_code tl_json_event_parse(struct tl_json_event *p, const struct tl_message *message, struct tl_batch *batch,
                                 struct tl_err *err)
{
    uint32_t rows_before = batch->rows, dead_before = batch->dead_count;
    struct tl_sv text = message->value;
    bool repaired = false;
    enum tl_code rc = TL_OK;
    verdict bad = 0;

    if (text.data == NULL || text.size == 0)
        bad = TL_DEAD_EMPTY;
    else if (text.size > p->schema->event_bytes_max)
        bad = TL_DEAD_TOO_LARGE;
    while (bad == 0) {
        bool wants_repair = false, no_memory = false;

        bad = find_tokens(p, text, batch, &wants_repair, &no_memory);
        if (no_memory)
            TL_TRY(tl_fail_memory(err, text.size));
        if (bad == 0) {
            TL_TRY(read_tokens(p, message, text.size, batch, &bad, err));
            if (bad == 0)
                break;
            wants_repair = has_odd_control(text);
            batch->rows = rows_before;
            batch->dead_count = dead_before;
            forget_places(p);
        }
        if (wants_repair && !repaired) {
            size_t size = repair(text, NULL);
            char *copy = tl_arena_bytes(&batch->text, size + TL_MESSAGE_PADDING);

            if (copy == NULL)
                TL_TRY(tl_fail_memory(err, size + TL_MESSAGE_PADDING));
            (void)repair(text, copy);
            text = (struct tl_sv){copy, size};
            repaired = true;
            bad = 0;
        }
    }
    if (bad)
        TL_TRY(put_dead(message, 0, bad, batch, err));
    batch->messages_count++;
out:
    if (rc != TL_OK) {
        batch->rows = rows_before;
        batch->dead_count = dead_before;
        forget_places(p);
    }
    return rc;
}

/* ---- many messages ---- */

/* simdjson has some 50 ns to pay for each text it is given, as much as for the bytes of an event; so it is given the lines of a block
 * together. What it finds in well-formed text is the same either way: a newline outside strings is white space, inside of one it is an
 * error, and in the middle of a character too. Whatever else is wrong, with a line or with where it ends, is left to
 * tl_json_event_parse: a run is either read as if by that or not read. */
#ifdef TL_TINY
enum { RUN_BYTES_MAX = 256 };
#else
enum { RUN_BYTES_MAX = 1 << 16 };
#endif

static size_t run_length(const struct tl_message *messages, size_t count)
{
    const char *begin = messages[0].value.data;
    size_t n = 1;

    for (; n < count && messages[n - 1].value.data != NULL; n++) {
        struct tl_sv last = messages[n - 1].value, next = messages[n].value;

        if (next.data != last.data + last.size + 1 || next.size > (size_t)RUN_BYTES_MAX ||
            (size_t)(next.data - begin) > (size_t)RUN_BYTES_MAX - next.size)
            break;
    }
    return n;
}

/* Reads objects, one a line, as far as nothing is wrong; *done says how many lines that were. */
static enum tl_code parse_run(struct tl_json_event *p, const struct tl_message *messages, size_t count, struct tl_batch *batch,
                              size_t *done, struct tl_err *err)
{
    const char *begin = messages[0].value.data;
    struct tl_sv last = messages[count - 1].value;
    bool wants_repair = false, no_memory = false;
    uint32_t at = 0, rows_before = batch->rows;
    enum tl_code rc = TL_OK;

    *done = 0;
    if (find_tokens(p, (struct tl_sv){begin, (size_t)(last.data + last.size - begin)}, batch, &wants_repair, &no_memory) != 0)
        return TL_OK;
    for (; *done < count; ++*done) {
        const struct tl_message *message = &messages[*done];
        size_t end = (size_t)(message->value.data + message->value.size - begin);
        verdict bad;

        rows_before = batch->rows;
        /* Here, and not in run_length: now the bytes are near. */
        if (*done > 0 && message->value.data[-1] != '\n')
            break;
        if (at == p->tokens_count || begin[p->tokens[at]] != '{' || message->value.size > p->schema->event_bytes_max)
            break;
        TL_TRY(read_object(p, message, &at, 0, 0, batch, &bad, err));
        if (bad || p->tokens[at - 1] >= end || p->tokens[at] < end) {
            batch->rows = rows_before;
            forget_places(p);
            break;
        }
        batch->messages_count++;
    }
out:
    if (rc != TL_OK) {
        batch->rows = rows_before;
        forget_places(p);
    }
    return rc;
}

enum tl_code tl_json_event_parse_all(struct tl_json_event *p, const struct tl_message *messages, size_t count,
                                     struct tl_batch *batch, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    for (size_t i = 0, run; i < count; i += run) {
        size_t done = 0;

        run = run_length(messages + i, count - i);
        if (run > 1)
            TL_TRY(parse_run(p, messages + i, run, batch, &done, err));
        for (; done < run; done++)
            TL_TRY(tl_json_event_parse(p, &messages[i + done], batch, err));
    }
out:
    return rc;
}

/* ---- open and close ---- */

enum tl_code tl_json_event_open(const struct tl_schema *schema, struct tl_json_event **out, struct tl_err *err)
{
    struct tl_json_event *p = calloc(1, sizeof *p);
    size_t name_max = 0;
    enum tl_code rc = TL_OK;

    if (p == NULL)
        return tl_fail_memory(err, sizeof *p);
    p->schema = schema;
    for (uint32_t i = 0; i < schema->fields_count; i++)
        if (schema->fields[i].name.size > name_max)
            name_max = schema->fields[i].name.size;
    p->key_max = 6 * name_max; /* \u0041 for each byte */
    p->simd = tl_json_simd_open();
    p->place = calloc(schema->fields_count ? schema->fields_count : 1, sizeof *p->place);
    p->closing = malloc((size_t)schema->depth_max + 1);
    p->key = calloc(1, p->key_max + sizeof(uint64_t));
    p->expected = calloc(EXPECTED_KEYS, sizeof *p->expected);
    if (p->simd == NULL || p->place == NULL || p->closing == NULL || p->key == NULL || p->expected == NULL)
        TL_TRY(tl_fail_memory(err, p->key_max + schema->depth_max));
    for (uint32_t i = 0; i < EXPECTED_KEYS; i++)
        p->expected[i].name.head = 1;
    TL_TRY(make_slots(p, err));
    *out = p;
    p = NULL;
out:
    tl_json_event_close(p);
    return rc;
}

void tl_json_event_close(struct tl_json_event *p)
{
    if (p == NULL)
        return;
    tl_json_simd_close(p->simd);
    free(p->place);
    free(p->closing);
    free(p->slots);
    free(p->wanted);
    free(p->key);
    free(p->expected);
    free(p);
}
