/* address.h: an IP address, read from text and written as text. */
#ifndef TL_ADDRESS_H
#define TL_ADDRESS_H

#include "base/sv.h"

enum { TL_ADDRESS_TEXT_BYTES = 48 };

struct tl_address {
    bool v6;
    uint8_t bytes[16]; /* in the order of the network; of IPv4 the first four */
};

/* The whole text: no brackets, no port, no zone, and numbers of IPv4 without a leading zero. */
TL_MUST_USE bool tl_address_read(struct tl_sv text, struct tl_address *out);
/* IPv6 as RFC 5952 has it. Zero-terminated; returns the length. */
size_t tl_address_print(const struct tl_address *address, char out[TL_ADDRESS_TEXT_BYTES]);
/* ::ffff:203.0.113.7 is an IPv4 address in another notation. */
bool tl_address_is_mapped(const struct tl_address *address);
/* Keeps what names a network: the first 3 bytes of IPv4, the first 6 of IPv6 (/24 and /48). */
void tl_address_anonymize(struct tl_address *address);

#endif
