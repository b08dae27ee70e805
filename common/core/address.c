/* address.c: an IP address, read from text and written as text. See address.h. */
#include "core/address.h"

#include <arpa/inet.h>
#include <string.h>

enum { KEPT_OF_V4 = 3, KEPT_OF_V6 = 6 }; /* bytes: the usual /24 and /48 */

bool tl_address_read(struct tl_sv text, struct tl_address *out)
{
    char copy[TL_ADDRESS_TEXT_BYTES];

    if (text.size == 0 || text.size >= sizeof copy || memchr(text.data, '\0', text.size) != NULL)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    out->v6 = memchr(text.data, ':', text.size) != NULL;
    return inet_pton(out->v6 ? AF_INET6 : AF_INET, copy, out->bytes) == 1;
}

size_t tl_address_print(const struct tl_address *address, char out[TL_ADDRESS_TEXT_BYTES])
{
    if (inet_ntop(address->v6 ? AF_INET6 : AF_INET, address->bytes, out, TL_ADDRESS_TEXT_BYTES) == NULL)
        out[0] = '\0'; /* not with these families and this room */
    return strlen(out);
}

bool tl_address_is_mapped(const struct tl_address *address)
{
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    return address->v6 && memcmp(address->bytes, prefix, sizeof prefix) == 0;
}

void tl_address_anonymize(struct tl_address *address)
{
    uint8_t *bytes = address->bytes;

    if (tl_address_is_mapped(address))
        memset(bytes + 12 + KEPT_OF_V4, 0, 4 - KEPT_OF_V4);
    else if (address->v6)
        memset(bytes + KEPT_OF_V6, 0, 16 - KEPT_OF_V6);
    else
        memset(bytes + KEPT_OF_V4, 0, 4 - KEPT_OF_V4);
}
