/* place.h: where an address is, by a file of places (.mmdb), whichever of the usual layouts it has.
 *
 * Layouts: GeoLite2, GeoIP2 and DB-IP (country.iso_code, subdivisions[0].names.en, city.names.en), and flat ones (country_code, state1 or
 * region, city). The state is the largest subdivision's English name, or its code where the file has no name.
 * The file is mapped: put a new one in its place by renaming it, as geoipupdate does. All threads share it. */
#ifndef TL_PLACE_H
#define TL_PLACE_H

#include "base/buf.h"
#include "core/address.h"

struct tl_places;

/* Views into the file; empty where it does not say. */
struct tl_location {
    struct tl_sv country, state, city;
};

TL_MUST_USE enum tl_code tl_places_open(const char *path, struct tl_places **out, struct tl_err *err);
void tl_places_close(struct tl_places *places);
/* "places GeoLite2-City 2026-06-17 xxh3:0011223344556677": what the file says of itself, and what it is. */
void tl_places_version(const struct tl_places *places, struct tl_buf *out);
void tl_places_find(const struct tl_places *places, const struct tl_address *address, struct tl_location *out);

#endif
