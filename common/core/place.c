/* place.c: where an address is, by a file of places. See place.h. */
#include "core/place.h"

#include <inttypes.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/table.h"
#include "event/timestamp.h"

struct tl_places {
    MMDB_s file;
    uint64_t hash; /* of the whole file */
};

/* Where the layouts have it; the first that is there counts. IPinfo's "country" is a code in one file and a name in another, which has
 * country_code too. */
enum { PATHS_MAX = 4, STEPS_MAX = 5 };
static const char *const country_paths[PATHS_MAX][STEPS_MAX] = {
    {"country", "iso_code", NULL},
    {"country_code",         NULL     },
    {"country",         NULL     },
};
static const char *const state_paths[PATHS_MAX][STEPS_MAX] = {
    {"subdivisions", "0",          "names", "en", NULL},
    {"subdivisions",          "0",                  "iso_code", NULL},
    {"state1", NULL},
    {"region",          NULL                     },
};
static const char *const city_paths[PATHS_MAX][STEPS_MAX] = {
    {"city", "names", "en", NULL},
    {"city",  NULL        },
};

static enum tl_code file_check(const char *path, struct tl_err *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "--places %s: cannot be opened", path);
    if (!S_ISREG(st.st_mode))
        return tl_fail(err, TL_ERR_USAGE, "--places %s: not a file", path);
    return TL_OK;
}

enum tl_code tl_places_open(const char *path, struct tl_places **out, struct tl_err *err)
{
    struct tl_places *places = NULL;
    int status;
    enum tl_code rc;

    TL_TRY(file_check(path, err));
    places = calloc(1, sizeof *places);
    if (places == NULL)
        return tl_fail_memory(err, sizeof *places);
    status = MMDB_open(path, MMDB_MODE_MMAP, &places->file);
    if (status == MMDB_OUT_OF_MEMORY_ERROR)
        TL_TRY(tl_fail_memory(err, sizeof *places));
    if (status != MMDB_SUCCESS)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "--places %s: no file of places (.mmdb), or a damaged one: %s", path,
                       MMDB_strerror(status)));
    places->hash = tl_hash_bytes((struct tl_sv){(const char *)places->file.file_content, (size_t)places->file.file_size});
    *out = places;
    places = NULL;
out:
    free(places); /* without a file: MMDB_open has closed it */
    return rc;
}

void tl_places_close(struct tl_places *places)
{
    MMDB_close(&places->file);
    free(places);
}

void tl_places_version(const struct tl_places *places, struct tl_buf *out)
{
    const uint64_t year_9999_s = UINT64_C(253402300799);
    const MMDB_metadata_s *about = &places->file.metadata;
    unsigned month, day;
    int64_t year;

    tl_civil_from_days((int64_t)((about->build_epoch < year_9999_s ? about->build_epoch : year_9999_s) / 86400), &year, &month,
                       &day);
    tl_buf_printf(out, "places %.60s %04" PRId64 "-%02u-%02u xxh3:%016" PRIx64,
                  about->database_type != NULL ? about->database_type : "", year, month, day, places->hash);
}

/* The first text that stands at one of the paths. What is damaged is not there. */
static struct tl_sv text_at(MMDB_entry_s *entry, const char *const paths[PATHS_MAX][STEPS_MAX])
{
    for (size_t i = 0; i < PATHS_MAX && paths[i][0] != NULL; i++) {
        MMDB_entry_data_s data;

        if (MMDB_aget_value(entry, &data, paths[i]) == MMDB_SUCCESS && data.has_data && data.type == MMDB_DATA_TYPE_UTF8_STRING)
            return (struct tl_sv){data.utf8_string, data.data_size};
    }
    return TL_SV("");
}

static MMDB_lookup_result_s look_up(const MMDB_s *file, const struct tl_address *address, int *status)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (!address->v6 || tl_address_is_mapped(address)) {
        memcpy(&v4.sin_addr, address->bytes + (address->v6 ? 12 : 0), sizeof v4.sin_addr);
        return MMDB_lookup_sockaddr(file, (const struct sockaddr *)&v4, status);
    }
    memcpy(&v6.sin6_addr, address->bytes, sizeof v6.sin6_addr);
    return MMDB_lookup_sockaddr(file, (const struct sockaddr *)&v6, status);
}

void tl_places_find(const struct tl_places *places, const struct tl_address *address, struct tl_location *out)
{
    int status = MMDB_SUCCESS;
    MMDB_lookup_result_s found = look_up(&places->file, address, &status);

    *out = (struct tl_location){TL_SV(""), TL_SV(""), TL_SV("")};
    if (status != MMDB_SUCCESS || !found.found_entry)
        return;
    out->country = text_at(&found.entry, country_paths);
    out->state = text_at(&found.entry, state_paths);
    out->city = text_at(&found.entry, city_paths);
}
