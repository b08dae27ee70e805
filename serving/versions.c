/* versions.c: what functions worked with in each layer and in reconcile, and where that parts. See versions.h. */
#include "versions.h"

#include <stdlib.h>
#include <string.h>

struct tl_versions_item {
    char *text; /* from malloc */
    struct tl_sv name;
    bool has[TL_VERSIONS_SIDES];
};

void tl_versions_done(struct tl_versions *versions)
{
    for (size_t i = 0; i < versions->items_count; i++)
        free(versions->items[i].text);
    free(versions->items);
    *versions = (struct tl_versions){0};
}

static enum tl_code item_add(struct tl_versions *versions, enum tl_versions_side side, struct tl_sv text, struct tl_err *err)
{
    struct tl_versions_item *item;
    struct tl_sv rest;

    for (size_t i = 0; i < versions->items_count; i++)
        if (tl_sv_eq(tl_sv_from(versions->items[i].text), text)) {
            versions->items[i].has[side] = true;
            return TL_OK;
        }
    if (!TL_RESIZE(versions->items, versions->items_count + 1))
        return tl_fail_memory(err, (versions->items_count + 1) * sizeof *item);
    item = &versions->items[versions->items_count];
    *item = (struct tl_versions_item){.text = strndup(text.data, text.size)};
    if (item->text == NULL)
        return tl_fail_memory(err, text.size + 1);
    rest = tl_sv_from(item->text);
    item->name = tl_sv_cut(&rest, ' ');
    item->has[side] = true;
    versions->items_count++;
    return TL_OK;
}

enum tl_code tl_versions_add(struct tl_versions *versions, enum tl_versions_side side, struct tl_sv text, struct tl_err *err)
{
    enum tl_code rc = TL_OK;

    while (text.size > 0) {
        struct tl_sv item = tl_sv_trim(tl_sv_cut(&text, ';'));

        if (item.size > 0)
            TL_TRY(item_add(versions, side, item, err));
    }
out:
    return rc;
}

static bool has_another(const struct tl_versions *versions, const struct tl_versions_item *item)
{
    for (size_t i = 0; i < versions->items_count; i++)
        if (&versions->items[i] != item && tl_sv_eq(versions->items[i].name, item->name))
            return true;
    return false;
}

bool tl_versions_differ(const struct tl_versions *versions, enum tl_versions_side side,
                        bool (*matters)(const void *ctx, struct tl_sv name), const void *ctx)
{
    for (size_t i = 0; i < versions->items_count; i++) {
        const struct tl_versions_item *theirs = &versions->items[i];

        for (size_t h = 0; h < versions->items_count && theirs->has[side] && !theirs->has[TL_VERSIONS_RECONCILE]; h++)
            if (versions->items[h].has[TL_VERSIONS_RECONCILE] && tl_sv_eq(versions->items[h].name, theirs->name) &&
                matters(ctx, theirs->name))
                return true;
    }
    return false;
}

/* By what stands behind the name: a library may have been put aside under another one. */
static bool has_version(const struct tl_versions *versions, enum tl_versions_side side, struct tl_sv version)
{
    for (size_t i = 0; i < versions->items_count; i++) {
        struct tl_sv rest = tl_sv_from(versions->items[i].text);

        (void)tl_sv_cut(&rest, ' ');
        if (versions->items[i].has[side] && tl_sv_eq(rest, version))
            return true;
    }
    return false;
}

bool tl_versions_has(const struct tl_versions *versions, enum tl_versions_side side, struct tl_sv text,
                     bool (*matters)(const void *ctx, struct tl_sv name), const void *ctx)
{
    while (text.size > 0) {
        struct tl_sv version = tl_sv_trim(tl_sv_cut(&text, ';')), name = tl_sv_cut(&version, ' ');

        if (matters(ctx, name) && !has_version(versions, side, version))
            return false;
    }
    return true;
}

static bool text_has(struct tl_sv text, struct tl_sv wanted)
{
    while (text.size > 0) {
        struct tl_sv version = tl_sv_trim(tl_sv_cut(&text, ';'));

        (void)tl_sv_cut(&version, ' ');
        if (tl_sv_eq(version, wanted))
            return true;
    }
    return false;
}

bool tl_versions_has_more(const struct tl_versions *versions, enum tl_versions_side side, struct tl_sv text,
                          bool (*matters)(const void *ctx, struct tl_sv name), const void *ctx)
{
    for (size_t i = 0; i < versions->items_count; i++) {
        const struct tl_versions_item *item = &versions->items[i];
        struct tl_sv version = tl_sv_from(item->text);

        (void)tl_sv_cut(&version, ' ');
        if (item->has[side] && matters(ctx, item->name) && !text_has(text, version))
            return true;
    }
    return false;
}

void tl_versions_put_differences(const struct tl_versions *versions, struct tl_buf *out)
{
    static const char *const sides[TL_VERSIONS_SIDES] = {"speed", "batch", "reconcile"};
    const char *glue = "";

    for (size_t i = 0; i < versions->items_count; i++) {
        const struct tl_versions_item *item = &versions->items[i];
        bool any = false;

        if (!has_another(versions, item))
            continue;
        tl_buf_printf(out, "%s%s (", glue, item->text);
        for (int side = 0; side < TL_VERSIONS_SIDES; side++) {
            if (!item->has[side])
                continue;
            tl_buf_printf(out, "%s%s", any ? ", " : "", sides[side]);
            any = true;
        }
        tl_buf_put_u8(out, ')');
        glue = ", ";
    }
}
