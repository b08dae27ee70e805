#!/usr/bin/env python3
"""places.py: makes small files of places in the layouts that are in use (function_place_test.c, FUNCTIONS.md).

places.py FOLDER
"""
import os
import sys
import types

import mmdb_writer
from netaddr import IPSet

# The same file each time.
mmdb_writer.time = types.SimpleNamespace(time=lambda: 1772323200)  # 2026-03-01


def write(folder, name, kind, places, ip_version=6):
    writer = mmdb_writer.MMDBWriter(ip_version, kind, languages=["en"], description=name, ipv4_compatible=ip_version == 6)
    for network, place in places:
        writer.insert_network(IPSet([network]), place)
    path = os.path.join(folder, name)
    writer.to_db_file(path + ".part")
    os.replace(path + ".part", path)


def names(english):
    return {"names": {"de": "auf deutsch", "en": english}}


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    # As GeoLite2-City, GeoIP2-City and DB-IP's have it.
    write(folder, "city.mmdb", "GeoLite2-City", [
        ("203.0.113.0/24", {"country": {"iso_code": "US", **names("United States")}, "city": names("Portland"),
                            "subdivisions": [{"iso_code": "OR", **names("Oregon")}, {"iso_code": "X", **names("A county")}],
                            "location": {"latitude": 45.5, "longitude": -122.6}}),
        ("198.51.100.0/25", {"country": {"iso_code": "FR"}, "city": names('Ville "d\'essai"\n\\ñ')}),
        ("198.51.100.128/25", {"country": {"iso_code": "GB"}, "subdivisions": [{"iso_code": "ENG"}]}),
        ("192.0.2.0/25", {"continent": {"code": "EU"}, "subdivisions": [], "city": {"names": {"de": "Wien"}}}),
        ("192.0.2.128/25", {"country": 7, "city": ["Graz"], "subdivisions": {"0": "no list"}}),
        ("2001:db8::/32", {"country": {"iso_code": "JP"}, "city": names("東京")}),
    ])
    # As the files of ip-location-db and of IPinfo have it.
    write(folder, "flat.mmdb", "flat; a city\n", [
        ("203.0.113.0/25", {"country_code": "US", "state1": "Oregon", "state2": "Multnomah", "city": "Portland"}),
        ("203.0.113.128/25", {"country": "United States", "country_code": "US", "region": "Oregon", "city": "Bend"}),
        ("198.51.100.0/24", {"country": "FR", "region": "Bretagne", "city": "Brest"}),
    ])
    write(folder, "v4.mmdb", "only IPv4", [("203.0.113.0/24", {"country_code": "US"})], ip_version=4)


if __name__ == "__main__":
    main()
