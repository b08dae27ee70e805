/* function_address.c: functions on IP addresses: ANONYMIZE_IP. */
#include <string.h>

#include "core/address.h"
#include "core/function_rows.h"

enum { KEPT_OF_V4 = 3, KEPT_OF_V6 = 6 }; /* bytes: the usual /24 and /48 */

static void anonymize(struct tl_address *address)
{
    uint8_t *bytes = address->bytes;

    if (tl_address_is_mapped(address))
        memset(bytes + 12 + KEPT_OF_V4, 0, 4 - KEPT_OF_V4);
    else if (address->v6)
        memset(bytes + KEPT_OF_V6, 0, 16 - KEPT_OF_V6);
    else
        memset(bytes + KEPT_OF_V4, 0, 4 - KEPT_OF_V4);
}

static bool anonymize_ip(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        char text[TL_ADDRESS_TEXT_BYTES];
        struct tl_address address;

        if (!tl_address_read(call->args[0].sv[row], &address)) {
            tl_call_null(call, row);
            continue;
        }
        anonymize(&address);
        if (!tl_arena_copy(call->arena, (struct tl_sv){text, tl_address_print(&address, text)}, &call->out->sv[row]))
            return false;
    }
    return true;
}

static const struct tl_function functions[] = {
    TL_ROW("ANONYMIZE_IP", "ANONYMIZE_IP(STRING) -> STRING", 1, 1, STRING, anonymize_ip, .args = {TL_STRING}, .ours = true),
};

const struct tl_catalog tl_functions_address = {functions, TL_COUNT(functions), &tl_functions_build, NULL};
