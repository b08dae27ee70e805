/* import_list_fuzz.c: what an import has kept of earlier ones, from any bytes: refused, or written back the same. The first
 * byte says whether the rest is an entry (a note in the log), a list, a list's items, which get a head and a hash, or what is
 * known of files, likewise. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/target.h"
#include "main/notify.c"
#include "main/progress.c"
#include "main/stop.c"
#include "speed_layer/import_archive.c" /* a layer's objects stand in no archive */
#include "speed_layer/import_progress.c"
#include "speed_layer/import_seen.c"
#include "speed_layer/line_source.c"
#include "speed_layer/unpack.c"
#include "speed_layer/whole_file.c"

static void check_entry(const struct tl_import_entry *entry)
{
    struct tl_import_entry again;
    struct tl_buf first, second;

    CHECK(entry->kind.format >= TL_IMPORT_JSONL && entry->kind.format <= TL_IMPORT_VHOST_COMBINED);
    tl_buf_init(&first, 0);
    tl_buf_init(&second, 0);
    tl_import_entry_put(&first, entry);
    CHECK(tl_import_entry_get(tl_buf_sv(&first), &again));
    CHECK(again.lines_count == entry->lines_count && again.has_tail == entry->has_tail && same_host(&again.kind, &entry->kind));
    tl_import_entry_put(&second, &again);
    CHECK(tl_sv_eq(tl_buf_sv(&first), tl_buf_sv(&second)));
    tl_buf_done(&first);
    tl_buf_done(&second);
}

static void list_try(struct tl_sv bytes)
{
    struct list list = {0};
    struct tl_err err = {0};
    enum tl_code rc;

    tl_arena_init(&list.arena, 4096, 0);
    rc = list_decode(&list, bytes, "imports.list", &err);
    CHECK(rc == TL_OK || (rc == TL_ERR_CORRUPT && err.code == rc));
    CHECK(list.count <= bytes.size && list.arena.held_bytes <= (1u << 20) + 64 * bytes.size);
    for (size_t i = 0; rc == TL_OK && i < list.count; i++)
        check_entry(&list.items[i].entry);
    list_done(&list);
}

/* In a folder of its own, as it is read. */
static void seen_try(struct tl_sv files)
{
    struct tl_import_seen seen = {0};
    struct tl_buf bytes;
    enum tl_code rc;
    struct tl_err err;

    tl_buf_init(&bytes, 0);
    tl_buf_put(&bytes, seen_magic, sizeof seen_magic);
    tl_buf_put_u32(&bytes, SEEN_VERSION);
    tl_buf_put_sv(&bytes, files);
    tl_buf_put_u64(&bytes, tl_hash_bytes(tl_buf_sv(&bytes)));
    CHECK(!bytes.failed);
    rc = seen_decode(&seen, tl_buf_sv(&bytes), &err);
    CHECK(rc == TL_OK || rc == TL_ERR_CORRUPT);
    for (size_t i = 0; i < seen.files_count; i++) {
        struct tl_buf file, entry;

        tl_buf_init(&file, 0);
        tl_buf_init(&entry, 0);
        check_entry(&seen.files[i].entry);
        file_put(&file, &entry, &seen.files[i]);
        CHECK(!file.failed && file.size <= files.size);
        tl_buf_done(&file);
        tl_buf_done(&entry);
        file_done(&seen.files[i]);
    }
    free(seen.files);
    tl_buf_done(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv rest = {(const char *)data + 1, size - 1};
    struct tl_import_entry entry;
    struct tl_buf list;

    if (size == 0)
        return 0;
    switch (data[0] % 4) {
    case 0:
        if (tl_import_entry_get(rest, &entry))
            check_entry(&entry);
        break;
    case 1: list_try(rest); break;
    case 3: seen_try(rest); break;
    default:
        tl_buf_init(&list, 0);
        tl_buf_put(&list, list_magic, sizeof list_magic);
        tl_buf_put_u32(&list, LIST_VERSION);
        tl_buf_put_sv(&list, rest);
        tl_buf_put_u64(&list, tl_hash_bytes(tl_buf_sv(&list)));
        CHECK(!list.failed);
        list_try(tl_buf_sv(&list));
        tl_buf_done(&list);
        break;
    }
    return 0;
}
