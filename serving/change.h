/* change.h: two definitions of a view, side by side: what differs in words, which of their columns and keys can be compared.
 *
 * Is:      made of the definitions' normalised texts alone (sql/plan_text.c draws them), so the store's definition, whose views file is not here,
 *          can be one of them.
 * Is not:  a judge of numbers. */
#ifndef TL_CHANGE_H
#define TL_CHANGE_H

#include "base/arena.h"
#include "event/value.h"

enum tl_before_after { TL_OLD, TL_NEW, TL_BOTH };

struct tl_change_column {
    struct tl_sv name;
    enum tl_kind kind[TL_BOTH];
    int32_t at[TL_BOTH]; /* among the view's own columns; -1: it has none of that name */
    bool compared;       /* in both, of kinds that can be */
    bool number;         /* compared, and its values can be subtracted */
    bool names_group;    /* a bound of the window, or a key */
    bool sums_up;        /* a count or a sum: values of different groups can be added up */
};

enum tl_change_keys {
    TL_KEYS_SAME,   /* equal, in whatever order */
    TL_KEYS_PAIRED, /* as many of equal kinds, made in another way: groups are compared by their values */
    TL_KEYS_OTHER,
};

/* Everything in it lives in the arena, or in the texts. */
struct tl_change {
    const char *const *words;
    uint32_t words_count;
    const struct tl_change_column *columns; /* NEW's in their order, then those that OLD alone has */
    uint32_t columns_count;
    const enum tl_kind *column_kinds[TL_BOTH]; /* of each side's own columns */
    uint32_t side_columns_count[TL_BOTH];
    enum tl_change_keys keys;
    const enum tl_kind *key_kinds[TL_BOTH];
    uint32_t keys_count[TL_BOTH];
    /* SAME and PAIRED: keys_count[TL_NEW] of them, OLD's key that stands for NEW's. OTHER: the keys that both have, as pairs in common[]. */
    const uint32_t *key_of;
    const uint32_t *common[TL_BOTH];
    uint32_t common_count;
    bool windows_same;   /* of one kind, length and clock */
    bool comparable;     /* group by group */
    bool values_differ;  /* aggregates, HAVING or columns are made in another way: an event may count for something else */
    bool window_differs; /* SESSION, COUNT_WINDOW: comparable all the same */
    bool events_same; /* each message is the same event at the same time for both; then what does not count has been filtered */
    bool filter_differs;
    bool windowed[TL_BOTH];
};

/* `inner_same`: what the views read is made of the same groups (both read the source, say). */
TL_MUST_USE enum tl_code tl_change_of(struct tl_arena *memory, struct tl_sv old_text, struct tl_sv new_text, bool inner_same,
                                      struct tl_change *out, struct tl_err *err);
/* Does NEW lack a column of OLD, or have one of a type that it cannot be compared with? */
bool tl_change_loses_columns(const struct tl_change *change);
/* Are the bytes of a group's key the same on both sides? */
bool tl_change_keys_stand(const struct tl_change *change);

#endif
