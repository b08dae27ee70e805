/* preview_text.h: what `tally diff` found, as text for a terminal, JSON, CSV (a line for each value that differs) and Markdown. */
#ifndef TL_PREVIEW_TEXT_H
#define TL_PREVIEW_TEXT_H

#include "preview.h"

enum tl_preview_state { TL_PREVIEW_ADDED, TL_PREVIEW_REMOVED, TL_PREVIEW_RENAMED, TL_PREVIEW_UNCHANGED, TL_PREVIEW_CHANGED };

struct tl_preview_view {
    struct tl_sv name, was; /* was: of a renamed one */
    enum tl_preview_state state;
    bool compared;           /* the rest is there */
    struct tl_change change; /* not comparable: NEW's rows are other rows; what is compared is what both have, or totals */
    struct tl_preview preview;
    const struct tl_sv *keys_name; /* of what is compared: NEW's, or those that both have */
    uint32_t keys_count;
    const enum tl_kind *key_kinds;
    int64_t bucket_ms; /* rolled: how long the windows are */
    bool having;       /* rolled: a side has HAVING, which what is compared is without */
    int64_t from_ms, to_ms;
    bool old_published;    /* OLD's rows are those that are published; else computed */
    bool moved_known;      /* the events behind it were looked for */
    const char *moved_why; /* not: why, of one that is compared */
    struct tl_sv reads;    /* the view that it reads, whose events are behind it; empty: it reads a table */
    uint64_t hidden_count; /* rows of both sides that are not compared, for not all of them is known */
};

struct tl_preview_report {
    struct tl_sv old_name, new_name; /* of the files */
    int64_t from_ms, to_ms;
    struct tl_preview_view *views;
    uint32_t views_count;
    const struct tl_sv *notes;
    size_t notes_count;
};

/* `format`: "text", "json", "csv" or "md". */
void tl_preview_print(struct tl_preview_report *report, const char *format, struct tl_buf *out);
/* Of a view, in one sentence: "hits_5m: 1,204 of 8,640 groups change; num_hits 402,113 -> 398,772 (-0.83%)". Where nothing that is compared differs,
 * it says so of no more than that. */
void tl_preview_headline(const struct tl_preview_view *view, struct tl_buf *out);

#endif
