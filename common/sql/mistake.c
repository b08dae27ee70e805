/* mistake.c: writes a mistake so that the caret stands under the place, whatever the line holds. */
#include "sql/mistake.h"

#include <stdio.h>
#include <string.h>

enum {
    SHOWN_COLUMNS = 110, /* of a long line, around the caret */
    SHOWN_BEFORE = 60,
};

struct tl_span tl_span_join(struct tl_span from, struct tl_span to)
{
    struct tl_span out = from;

    if (to.offset + to.bytes > from.offset)
        out.bytes = to.offset + to.bytes - from.offset;
    return out;
}

static bool byte_continues(char byte)
{
    return ((unsigned char)byte & 0xC0u) == 0x80u;
}

struct tl_span tl_span_at(const struct tl_text *text, size_t offset, size_t bytes)
{
    struct tl_span span = {
        (uint32_t)offset, (uint32_t)bytes, {1, 1}
    };

    for (size_t i = 0; i < offset && i < text->text.size; i++) {
        if (text->text.data[i] == '\n') {
            span.place.line++;
            span.place.column = 1;
        } else if (!byte_continues(text->text.data[i])) {
            span.place.column++;
        }
    }
    return span;
}

/* --- columns of a terminal ------------------------------------------------------------------------------------------- */

/* Takes one character off the front; a byte that begins none counts as one character of its own, value 0xFFFD. */
static uint32_t character_take(struct tl_sv *text)
{
    unsigned char first = (unsigned char)text->data[0];
    size_t size = first < 0x80 ? 1 : first >= 0xF0 && first < 0xF8 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
    uint32_t value = first;

    if (size == 0 || size > text->size || first >= 0xF5) {
        value = 0xFFFD;
        size = 1;
    } else if (size > 1) {
        value = (uint32_t)first & (0xFFu >> (size + 1));
        for (size_t i = 1; i < size; i++) {
            if (!byte_continues(text->data[i])) {
                value = 0xFFFD;
                size = i;
                break;
            }
            value = value << 6 | ((uint32_t)(unsigned char)text->data[i] & 0x3Fu);
        }
    }
    text->data += size;
    text->size -= size;
    return value;
}

/* How many cells a terminal gives to the character. The C library's wcwidth would depend on the locale. */
static unsigned character_cells(uint32_t c)
{
    static const uint32_t none[][2] = {
        {0x300,  0x36F },
        {0x483,  0x489 },
        {0x591,  0x5BD },
        {0x64B,  0x65F },
        {0x1AB0, 0x1AFF},
        {0x1DC0, 0x1DFF},
        {0x200B, 0x200F},
        {0x202A, 0x202E},
        {0x2060, 0x2064},
        {0x20D0, 0x20FF},
        {0xFE00, 0xFE0F},
        {0xFE20, 0xFE2F},
        {0xFEFF, 0xFEFF}
    };
    static const uint32_t two[][2] = {
        {0x1100,  0x115F },
        {0x2E80,  0x303E },
        {0x3041,  0xA4CF },
        {0xAC00,  0xD7A3 },
        {0xF900,  0xFAFF },
        {0xFE30,  0xFE6F },
        {0xFF00,  0xFF60 },
        {0xFFE0,  0xFFE6 },
        {0x1F300, 0x1F64F},
        {0x1F680, 0x1F6FF},
        {0x1F900, 0x1F9FF},
        {0x20000, 0x3FFFD}
    };

    for (size_t i = 0; i < TL_COUNT(none); i++)
        if (c >= none[i][0] && c <= none[i][1])
            return 0;
    for (size_t i = 0; i < TL_COUNT(two); i++)
        if (c >= two[i][0] && c <= two[i][1])
            return 2;
    return 1;
}

/* --- the message ------------------------------------------------------------------------------------------------------ */

/* Text that grows inside a fixed room and is cut where it ends, never inside a character. */
struct page {
    char *out;
    size_t size, room;
};

static void page_put(struct page *page, const char *bytes, size_t size)
{
    if (size > page->room - page->size) {
        size = page->room - page->size;
        while (size > 0 && byte_continues(bytes[size]))
            size--;
        page->room = page->size + size;
    }
    memcpy(page->out + page->size, bytes, size);
    page->size += size;
}

static void page_str(struct page *page, const char *text)
{
    page_put(page, text, strlen(text));
}

/* One character as it may be shown: a control character cannot move the cursor, and bytes that are no text show as '?'. */
static void page_character(struct page *page, uint32_t c, const char *bytes, size_t size)
{
    bool hidden =
        c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) || c == 0xFFFD || c == 0x2028 || c == 0x2029;

    if (c != '\t' && hidden)
        page_str(page, "?");
    else
        page_put(page, bytes, size);
}

/* Behind a literal that begins at `at`: '' stands for a quote. */
static size_t literal_end(struct tl_sv text, size_t at)
{
    for (at++; at < text.size; at++)
        if (text.data[at] == '\'' && (at + 1 == text.size || text.data[at + 1] != '\''))
            return at + 1;
        else if (text.data[at] == '\'')
            at++;
    return text.size;
}

/* What is set by 'properties.*' may be a password, also where the name is mistyped: nothing of a line is shown from such a value on. */
static size_t shown_end(struct tl_sv text, size_t begin, size_t end)
{
    static const char key[] = "'properties.";

    for (size_t at = 0; at < end; at++) {
        size_t value, behind;

        if (!tl_sv_starts((struct tl_sv){text.data + at, text.size - at}, TL_SV(key)))
            continue;
        value = literal_end(text, at);
        behind = value;
        while (behind < text.size && text.data[behind] != '\'' && text.data[behind] != ',' && text.data[behind] != ')')
            value = text.data[behind++] == '=' ? behind : value;
        if (behind < text.size && text.data[behind] == '\'')
            behind = literal_end(text, behind);
        if (behind > begin && value < end)
            return value > begin ? value : begin;
        at = behind > at ? behind - 1 : at;
    }
    return end;
}

/* What quotes the place, where that is in a value of 'properties.*'. */
static void hide_quoted(char *what, const struct tl_text *text, struct tl_span at)
{
    char quoted[512];
    char *found;

    if (at.offset >= text->text.size || shown_end(text->text, at.offset, at.offset + 1) > at.offset)
        return;
    snprintf(quoted, sizeof quoted, "%.*s", (int)tl_min_i64(at.bytes, (int64_t)(text->text.size - at.offset)),
             text->text.data + at.offset);
    while (strlen(quoted) > 3 && (found = strstr(what, quoted)) != NULL) {
        memmove(found + 3, found + strlen(quoted), strlen(found + strlen(quoted)) + 1);
        memcpy(found, "...", 3);
    }
}

static void page_line(struct page *page, const struct tl_text *text, struct tl_span at)
{
    size_t offset = at.offset < text->text.size ? at.offset : text->text.size, begin = offset, end = offset;
    char number[24];
    struct tl_sv before, marked, rest;
    size_t carets = 0, column = 0, skip = 0;
    bool hidden;

    while (begin > 0 && text->text.data[begin - 1] != '\n')
        begin--;
    while (end < text->text.size && text->text.data[end] != '\n')
        end++;
    if (end > offset && text->text.data[end - 1] == '\r')
        end--;
    before = (struct tl_sv){text->text.data + begin, offset - begin};
    marked = (struct tl_sv){text->text.data + offset, tl_min_i64((int64_t)at.bytes, (int64_t)(end - offset)) > 0
                                                          ? (size_t)tl_min_i64((int64_t)at.bytes, (int64_t)(end - offset))
                                                          : 0};
    if (at.place.column > SHOWN_COLUMNS - 20)
        skip = at.place.column - SHOWN_BEFORE;
    snprintf(number, sizeof number, "%3u", at.place.line);
    page_str(page, number);
    page_str(page, skip ? " | ..." : " | ");
    rest = (struct tl_sv){before.data, shown_end(text->text, begin, end) - begin};
    hidden = rest.size < end - begin;
    while (rest.size > 0 && column < skip + SHOWN_COLUMNS) {
        const char *from = rest.data;
        uint32_t c = character_take(&rest);

        if (column++ >= skip)
            page_character(page, c, from, (size_t)(rest.data - from));
    }
    page_str(page, rest.size > 0 ? "..." : hidden ? " ..." : "");
    page_str(page, "\n");
    for (size_t i = 0; i < strlen(number); i++)
        page_str(page, " ");
    page_str(page, skip ? " |    " : " | ");
    column = 0;
    while (before.size > 0) {
        uint32_t c = character_take(&before);
        unsigned cells = c < 0x20 || c == 0xFFFD ? 1 : character_cells(c);

        if (column++ < skip)
            continue;
        if (c == '\t')
            page_str(page, "\t"); /* the same tab stop as the line above */
        else
            page_put(page, "  ", cells);
    }
    while (marked.size > 0 && carets < SHOWN_COLUMNS / 2) {
        uint32_t c = character_take(&marked);

        for (unsigned cells = c == '\t' || c < 0x20 ? 1 : character_cells(c); cells > 0; cells--, carets++)
            page_str(page, "^");
    }
    if (carets == 0)
        page_str(page, "^");
}

void tl_mistake_write(struct tl_err *err, const struct tl_text *text, struct tl_span at, const char *hint, const char *fmt, ...)
{
    struct page page;
    char what[512];
    va_list args;

    if (err == NULL)
        return;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    hide_quoted(what, text, at);
    err->code = TL_ERR_DEFINITION;
    err->retriable = false;
    page = (struct page){err->message, 0, sizeof err->message - 1};
    {
        char head[256];

        snprintf(head, sizeof head, "%.200s:%u:%u: ", text->name, at.place.line, at.place.column);
        page_str(&page, head);
    }
    /* `what` may quote the file: it is shown by the same rule as the line. */
    for (struct tl_sv rest = tl_sv_from(what); rest.size > 0;) {
        const char *from = rest.data;
        uint32_t c = character_take(&rest);

        page_character(&page, c, from, (size_t)(rest.data - from));
    }
    page_str(&page, "\n");
    page_line(&page, text, at);
    if (hint != NULL && *hint != '\0') {
        page_str(&page, "\n  ");
        page_str(&page, hint);
    }
    page.out[page.size] = '\0';
}
