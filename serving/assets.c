/* assets.c: the dashboard's files, out of the table that serving/dashboard/embed.sh makes. See assets.h. */
#include "assets.h"

#include "serving/assets_table.h"

const struct tl_asset *tl_asset_find(struct tl_sv path)
{
    if (tl_sv_eq(path, TL_SV("/")))
        path = TL_SV("/index.html");
    for (size_t a = 0; a < TL_COUNT(assets); a++)
        if (tl_sv_eq(path, tl_sv_from(assets[a].path)))
            return &assets[a];
    return NULL;
}
