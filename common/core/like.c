/* like.c: SQL LIKE as Flink means it, compiled once and matched without backtracking.
 *
 * A pattern is segments between %: 'a_b%c%' is [a_b] [c] []. The first must match at the text's start, the last at its end, and
 * each of those between at the first place behind the one before: a later place could only leave less for the rest. A segment is
 * pieces: so many _ , then so many bytes as they are. All positions of UTF-8 stay on code points by themselves, for a literal
 * piece matches nowhere else. */
#include "core/like.h"

#include <string.h>

#include "core/code_point.h"

struct piece {
    uint32_t any; /* code points before the literal */
    struct tl_sv literal;
};

struct segment {
    const struct piece *pieces;
    uint32_t pieces_count;
    uint32_t length; /* in code points */
};

struct tl_like {
    const struct segment *segments; /* one more than there are runs of % */
    uint32_t segments_count;
};

/* --- compile ----------------------------------------------------------------------------------------------------------- */

struct compiler {
    char *literal; /* where literal bytes go; there is room for the whole pattern */
    struct piece *pieces;
    uint32_t pieces_count;
    struct segment *segments;
    uint32_t segments_count;
};

static struct piece *open_piece(struct compiler *c)
{
    struct piece *piece = &c->pieces[c->pieces_count++];

    *piece = (struct piece){
        0, {c->literal, 0}
    };
    c->segments[c->segments_count - 1].pieces_count++;
    return piece;
}

static struct piece *current_piece(struct compiler *c)
{
    return c->segments[c->segments_count - 1].pieces_count == 0 ? open_piece(c) : &c->pieces[c->pieces_count - 1];
}

static void open_segment(struct compiler *c)
{
    c->segments[c->segments_count++] = (struct segment){c->pieces + c->pieces_count, 0, 0};
}

static void put_any(struct compiler *c)
{
    struct piece *piece = current_piece(c);

    if (piece->literal.size > 0)
        piece = open_piece(c);
    piece->any++;
}

static void put_literal(struct compiler *c, const char *bytes, size_t size)
{
    struct piece *piece = current_piece(c);

    memcpy(c->literal, bytes, size);
    c->literal += size;
    piece->literal.size += size;
}

/* A run of % opens one segment. */
static void put_percent(struct compiler *c)
{
    if (c->segments_count == 1 || c->segments[c->segments_count - 1].pieces_count > 0)
        open_segment(c);
}

enum tl_code tl_like_compile(struct tl_sv pattern, struct tl_sv escape, struct tl_arena *arena, const struct tl_like **out,
                             struct tl_err *err)
{
    size_t signs = 1;
    struct compiler c = {0};
    struct tl_like *like;

    if (escape.data != NULL &&
        (tl_code_points(escape) != 1 || tl_utf8_size(escape.data, escape.size) != escape.size || escape.size > 3))
        return tl_fail(err, TL_ERR_DEFINITION, "LIKE: the escape must be one character, not '%.*s'", TL_SV_ARG(escape));
    for (size_t i = 0; i < pattern.size; i++)
        signs += pattern.data[i] == '%' || pattern.data[i] == '_';
    if (signs > UINT32_MAX / 2)
        return tl_fail(err, TL_ERR_LIMIT, "LIKE: a pattern of %zu wildcards", signs);
    like = tl_arena_alloc(arena, sizeof *like);
    c.segments = tl_arena_alloc(arena, signs * sizeof *c.segments);
    c.pieces = tl_arena_alloc(arena, 2 * signs * sizeof *c.pieces);
    c.literal = tl_arena_bytes(arena, pattern.size + 1);
    if (like == NULL || c.segments == NULL || c.pieces == NULL || c.literal == NULL)
        return tl_fail_memory(err, pattern.size);
    open_segment(&c);
    for (size_t i = 0; i < pattern.size; i++) {
        const char *at = pattern.data + i;
        size_t left = pattern.size - i;

        if (escape.data != NULL && left >= escape.size && memcmp(at, escape.data, escape.size) == 0) {
            at += escape.size;
            left -= escape.size;
            i += escape.size;
            if (left >= escape.size && memcmp(at, escape.data, escape.size) == 0) {
                put_literal(&c, at, escape.size);
                i += escape.size - 1;
            } else if (left > 0 && (*at == '%' || *at == '_')) {
                put_literal(&c, at, 1);
            } else {
                return tl_fail(err, TL_ERR_DEFINITION,
                               "LIKE: in '%.*s' the escape '%.*s' stands before something else than %%, _ or itself",
                               TL_SV_ARG(pattern), TL_SV_ARG(escape));
            }
        } else if (*at == '%') {
            put_percent(&c);
        } else if (*at == '_') {
            put_any(&c);
        } else {
            put_literal(&c, at, 1);
        }
    }
    for (uint32_t i = 0; i < c.segments_count; i++)
        for (uint32_t j = 0; j < c.segments[i].pieces_count; j++)
            c.segments[i].length += c.segments[i].pieces[j].any + (uint32_t)tl_code_points(c.segments[i].pieces[j].literal);
    *like = (struct tl_like){c.segments, c.segments_count};
    *out = like;
    return TL_OK;
}

/* --- match ------------------------------------------------------------------------------------------------------------- */

/* Steps over one code point that `_` takes; NULL at the end and on a line end. */
static const char *step(const char *at, const char *end)
{
    unsigned char lead;

    if (at == end)
        return NULL;
    lead = (unsigned char)*at;
    if (lead == '\n' || lead == '\r')
        return NULL;
    if (lead == 0xC2 && end - at >= 2 && (unsigned char)at[1] == 0x85)
        return NULL;
    if (lead == 0xE2 && end - at >= 3 && (unsigned char)at[1] == 0x80 && ((unsigned char)at[2] & 0xFE) == 0xA8)
        return NULL;
    at++;
    while (at < end && tl_code_point_goes_on(*at))
        at++;
    return at;
}

/* Behind the segment when it matches at this very place, else NULL. */
static const char *match_here(const struct segment *segment, const char *at, const char *end)
{
    for (uint32_t i = 0; i < segment->pieces_count; i++) {
        const struct piece *piece = &segment->pieces[i];

        for (uint32_t j = 0; j < piece->any; j++) {
            at = step(at, end);
            if (at == NULL)
                return NULL;
        }
        if ((size_t)(end - at) < piece->literal.size || memcmp(at, piece->literal.data, piece->literal.size) != 0)
            return NULL;
        at += piece->literal.size;
    }
    return at;
}

/* Behind the first place from `at` on where the (not empty) segment matches, else NULL. */
static const char *match_first(const struct segment *segment, const char *at, const char *end)
{
    const struct piece *first = &segment->pieces[0];

    while (at < end) {
        const char *behind;

        if (first->any == 0) {
            at = memmem(at, (size_t)(end - at), first->literal.data, first->literal.size);
            if (at == NULL)
                return NULL;
        }
        behind = match_here(segment, at, end);
        if (behind != NULL)
            return behind;
        at++;
        while (at < end && tl_code_point_goes_on(*at))
            at++;
    }
    return NULL;
}

static bool match_last(const struct segment *segment, const char *at, const char *end)
{
    const char *start = end;

    for (uint32_t i = 0; i < segment->length; i++) {
        do {
            if (start == at)
                return false;
            start--;
        } while (tl_code_point_goes_on(*start));
    }
    return match_here(segment, start, end) == end;
}

bool tl_like_match(const struct tl_like *like, struct tl_sv text)
{
    const char *at = text.size > 0 ? text.data : "", *end = at + text.size;

    at = match_here(&like->segments[0], at, end);
    if (at == NULL || like->segments_count == 1)
        return at == end;
    for (uint32_t i = 1; i + 1 < like->segments_count; i++) {
        at = match_first(&like->segments[i], at, end);
        if (at == NULL)
            return false;
    }
    return match_last(&like->segments[like->segments_count - 1], at, end);
}
