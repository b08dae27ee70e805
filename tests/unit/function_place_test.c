/* function_place_test.c: GET_LOCATION over files in the usual layouts, over the world's countries, and over files that are none.
 *
 * The files are made by tests/reference/places.py and fetched by tests/reference/country.sh; `make test` sees to both. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/function.h"
#include "core/place.h"
#include "support/chance.h"
#include "support/sql_case.h"
#include "support/sql_value.h"
#include "support/store_fixture.h"

#define NOWHERE "'{\"country\":\"\",\"state\":\"\",\"city\":\"\"}'"

/* The file beside the one that the functions have: no test is left out where it is missing. */
static const char *place_file(const char *name)
{
    static char path[600];
    const char *city = getenv("TALLY_TEST_PLACES"), *end;

    city = city != NULL ? city : "build/places/city.mmdb";
    end = strrchr(city, '/');
    cr_assert_not_null(end);
    snprintf(path, sizeof path, "%.*s/%s", (int)(end - city), city, name);
    cr_assert_eq(access(path, R_OK), 0, "%s is not there: `make test` makes it", path);
    return path;
}

static struct tl_buf content(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct tl_buf bytes;
    char *room;
    size_t got;

    cr_assert_not_null(file, "%s", path);
    tl_buf_init(&bytes, 0);
    do {
        room = tl_buf_reserve(&bytes, 65536);
        got = fread(room, 1, 65536, file);
        bytes.size += got;
    } while (got > 0);
    fclose(file);
    return bytes;
}

/* --- the function ---------------------------------------------------------------------------------------------------- */

ParameterizedTestParameters(function_place, values)
{
    static struct sql_value cases[] = {
        {"",                          "GET_LOCATION(ip)",                   "'{\"country\":\"US\",\"state\":\"Oregon\",\"city\":\"Portland\"}'"},
        {"mapped into IPv6",          "GET_LOCATION('::ffff:203.0.113.9')",
         "'{\"country\":\"US\",\"state\":\"Oregon\",\"city\":\"Portland\"}'"                                                                   },
        {"IPv6, letters of Japan",    "GET_LOCATION('2001:DB8:1::2')",
         "'{\"country\":\"JP\",\"state\":\"\",\"city\":\"\xe6\x9d\xb1\xe4\xba\xac\"}'"                                                         },
        {"escapes",                   "GET_LOCATION('198.51.100.1')",
         "'{\"country\":\"FR\",\"state\":\"\",\"city\":\"Ville \\\"d''essai\\\"\\n\\\\\xc3\xb1\"}'"                                            },
        {"a state without a name",    "GET_LOCATION('198.51.100.200')",     "'{\"country\":\"GB\",\"state\":\"ENG\",\"city\":\"\"}'"           },
        {"a record without all that", "GET_LOCATION('192.0.2.1')",          NOWHERE                                                            },
        {"of other types",            "GET_LOCATION('192.0.2.200')",        NOWHERE                                                            },
        {"not in the file",           "GET_LOCATION('192.0.1.255')",        NOWHERE                                                            },
        {"private",                   "GET_LOCATION('192.168.0.1')",        NOWHERE                                                            },
        {"loopback",                  "GET_LOCATION('::1')",                NOWHERE                                                            },
        {"no address",                "GET_LOCATION('localhost')",          NOWHERE                                                            },
        {"a port",                    "GET_LOCATION('203.0.113.7:80')",     NOWHERE                                                            },
        {"empty",                     "GET_LOCATION('')",                   NOWHERE                                                            },
        {"NULL",                      "GET_LOCATION(CAST(NULL AS STRING))", "NULL"                                                             },
    };
    return cr_make_param_array(struct sql_value, cases, TL_COUNT(cases));
}

ParameterizedTest(struct sql_value *c, function_place, values)
{
    (void)place_file("city.mmdb");
    sql_value_check(c);
}

Test(function_place, without_a_file_it_is_refused)
{
    sql_mistake_check(&(struct sql_mistake){"no --places", EVENTS "CREATE VIEW v AS SELECT GET_LOCATION(host) AS x FROM t", 2, 25,
                                            "GET_LOCATION needs a file of places: name one with --places FILE.mmdb, or in "
                                            "TALLY_PLACES",
                                            "GET_LOCATION", "GET_LOCATION(STRING) -> STRING"});
}

/* A views file that calls it with that --places; *err is what is said. */
static enum tl_code views_with(const char *path, struct tl_buf *versions, struct tl_err *err)
{
    struct tl_functions *functions = NULL;
    struct tl_plan *plan = NULL;
    enum tl_code rc;

    cr_assert_eq(tl_functions_open(&(struct tl_function_files){.places = path}, &functions, err), TL_OK);
    rc = tl_plan_parse(TL_SV(EVENTS "CREATE VIEW v AS SELECT GET_LOCATION(host) AS x, GET_LOCATION(id) AS y FROM t"), "views.sql",
                       tl_functions_catalog(functions), &plan, err);
    if (versions != NULL)
        tl_functions_versions(functions, versions);
    tl_plan_close(plan);
    tl_functions_close(functions);
    return rc;
}

/* --- files that are none --------------------------------------------------------------------------------------------- */

struct broken_case {
    char name[24], bytes[64], what[48];
};

ParameterizedTestParameters(function_place, broken)
{
    static struct broken_case cases[] = {
        {"empty",              "",                                            "no file of places"},
        {"text",               "ip,country\n203.0.113.0/24,US\n",             "no file of places"},
        {"a mark and no more", "\xab\xcd\xefMaxMind.com",                     "no file of places"},
        {"a mark and rubbish", "\xab\xcd\xefMaxMind.com\xe9\xff\xff\xff\xff", "no file of places"},
    };
    return cr_make_param_array(struct broken_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct broken_case *c, function_place, broken, .fini = store_folder_remove)
{
    char path[500], folder[400];
    struct tl_err err = {0};
    FILE *file;

    store_folder(folder);
    snprintf(path, sizeof path, "%s/broken.mmdb", folder);
    file = fopen(path, "wb");
    cr_assert_not_null(file);
    fputs(c->bytes, file);
    fclose(file);
    cr_assert_eq(views_with(path, NULL, &err), TL_ERR_DEFINITION);
    cr_assert_not_null(strstr(err.message, c->what), "%s", err.message);
    cr_assert_not_null(strstr(err.message, path), "%s", err.message);
    cr_assert_not_null(strstr(err.message, "^^^^"), "%s", err.message);
}

Test(function_place, what_is_not_there)
{
    struct tl_err err = {0};

    cr_assert_eq(views_with("/nowhere/places.mmdb", NULL, &err), TL_ERR_DEFINITION);
    cr_assert_not_null(strstr(err.message, "--places /nowhere/places.mmdb: cannot be opened: No such file"), "%s", err.message);
    cr_assert_eq(views_with("/tmp", NULL, &err), TL_ERR_DEFINITION);
    cr_assert_not_null(strstr(err.message, "--places /tmp: not a file"), "%s", err.message);
}

/* Looks a few addresses up in a file of these bytes, if it opens: whatever it holds, what is found lies within it. */
static bool survives(const char *path, const void *bytes, size_t size)
{
    static const char *const ips[] = {"203.0.113.7", "198.51.100.1", "198.51.100.200", "192.0.2.1",
                                      "2001:db8::1", "::1",          "0.0.0.0",        "255.255.255.255"};
    FILE *file = fopen(path, "wb");
    struct tl_places *places = NULL;
    struct tl_err err = {0};
    struct tl_buf version;

    cr_assert(file != NULL && fwrite(bytes, 1, size, file) == size);
    fclose(file);
    if (tl_places_open(path, &places, &err) != TL_OK) {
        cr_assert_not_null(strstr(err.message, path));
        return false;
    }
    tl_buf_init(&version, 0);
    tl_places_version(places, &version);
    for (size_t i = 0; i < TL_COUNT(ips); i++) {
        struct tl_address address;
        struct tl_location location;

        cr_assert(tl_address_read(tl_sv_from(ips[i]), &address));
        tl_places_find(places, &address, &location);
        tl_buf_put_json(&version, location.country);
        tl_buf_put_json(&version, location.state);
        tl_buf_put_json(&version, location.city);
    }
    tl_buf_done(&version);
    tl_places_close(places);
    return true;
}

Test(function_place, cut_short_or_damaged_anywhere, .fini = store_folder_remove, .timeout = 60)
{
    struct tl_buf bytes = content(place_file("city.mmdb"));
    struct chance chance = chance_open("cut_short_or_damaged_anywhere");
    char path[500], folder[400];
    unsigned opened = 0;

    store_folder(folder);
    snprintf(path, sizeof path, "%s/damaged.mmdb", folder);
    cr_assert(survives(path, bytes.data, bytes.size));
    for (size_t size = 0; size < bytes.size; size++)
        cr_assert(!survives(path, bytes.data, size) || size > bytes.size - 64, "opened with %zu of %zu bytes", size, bytes.size);
    for (size_t at = 0; at < bytes.size; at++) {
        char was = bytes.data[at];

        bytes.data[at] = (char)chance_u64(&chance);
        opened += survives(path, bytes.data, bytes.size);
        bytes.data[at] = was;
    }
    cr_assert_gt(opened, bytes.size / 2, "damage that matters not is borne: %u", opened);
    tl_buf_done(&bytes);
}

/* --- layouts --------------------------------------------------------------------------------------------------------- */

struct layout_case {
    char file[16], ip[24], want[48];
};

ParameterizedTestParameters(function_place, layouts)
{
    static struct layout_case cases[] = {
        {"city.mmdb",    "203.0.113.7",          "US/Oregon/Portland"},
        {"flat.mmdb",    "203.0.113.7",          "US/Oregon/Portland"},
        {"flat.mmdb",    "203.0.113.200",        "US/Oregon/Bend"    },
        {"flat.mmdb",    "198.51.100.1",         "FR/Bretagne/Brest" },
        {"v4.mmdb",      "203.0.113.7",          "US//"              },
        {"v4.mmdb",      "::ffff:203.0.113.7",   "US//"              },
        {"v4.mmdb",      "2001:db8::1",          "//"                },
        {"country.mmdb", "8.8.8.8",              "US//"              },
        {"country.mmdb", "2001:4860:4860::8888", "US//"              },
        {"country.mmdb", "193.0.6.139",          "NL//"              },
        {"country.mmdb", "202.12.29.175",        "AU//"              },
        {"country.mmdb", "10.1.2.3",             "//"                },
    };
    return cr_make_param_array(struct layout_case, cases, TL_COUNT(cases));
}

ParameterizedTest(struct layout_case *c, function_place, layouts)
{
    struct tl_places *places = NULL;
    struct tl_location location;
    struct tl_address address;
    char got[100];

    OK(tl_places_open(place_file(c->file), &places, err));
    cr_assert(tl_address_read(tl_sv_from(c->ip), &address));
    tl_places_find(places, &address, &location);
    snprintf(got, sizeof got, "%.*s/%.*s/%.*s", TL_SV_ARG(location.country), TL_SV_ARG(location.state), TL_SV_ARG(location.city));
    cr_assert_str_eq(got, c->want, "%s in %s: %s", c->ip, c->file, got);
    tl_places_close(places);
}

/* --- versions -------------------------------------------------------------------------------------------------------- */

Test(function_place, the_file_is_named)
{
    struct tl_err err = {0};
    struct tl_buf versions;

    tl_buf_init(&versions, 0);
    cr_assert_eq(views_with(place_file("city.mmdb"), &versions, &err), TL_OK, "%s", err.message);
    cr_assert_eq(views_with(place_file("flat.mmdb"), &versions, &err), TL_OK, "%s", err.message);
    cr_assert_eq(views_with(place_file("country.mmdb"), &versions, &err), TL_OK, "%s", err.message);
    tl_buf_put_u8(&versions, '\0');
    cr_assert_not_null(strstr(versions.data, "; places GeoLite2-City 2026-03-01 xxh3:"), "%s", versions.data);
    cr_assert_not_null(strstr(versions.data, "; places flat? a city? 2026-03-01 xxh3:"), "%s", versions.data);
    cr_assert_not_null(strstr(versions.data, "; places country ipvAll 2026-06-17 xxh3:"), "%s", versions.data);
    tl_buf_done(&versions);
}
