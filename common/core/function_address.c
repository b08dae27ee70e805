/* function_address.c: functions on IP addresses: ANONYMIZE_IP. */
#include "core/address.h"
#include "core/function_rows.h"

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
        tl_address_anonymize(&address);
        if (!tl_arena_copy(call->arena, (struct tl_sv){text, tl_address_print(&address, text)}, &call->out->sv[row]))
            return false;
    }
    return true;
}

static const struct tl_function functions[] = {
    TL_ROW("ANONYMIZE_IP", "ANONYMIZE_IP(STRING) -> STRING", 1, 1, STRING, anonymize_ip, .args = {TL_STRING}, .ours = true),
};

const struct tl_catalog tl_functions_address = {functions, TL_COUNT(functions), &tl_functions_build, NULL};
