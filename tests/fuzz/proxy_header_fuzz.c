/* proxy_header_fuzz.c: what comes before a connection's bytes: more is wanted, and then it is taken or refused, in whatever pieces it comes. */
#include "fuzz/target.h"
#include "net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv all = {(const char *)data, size};
    struct tl_endpoint whole = {.port = 1}, from = {.port = 1};
    size_t whole_used = 0, used = 0;
    enum tl_proxy_result want = tl_proxy_header_read(all, &whole, &whole_used), got = TL_PROXY_MORE;
    char text[TL_ENDPOINT_TEXT_BYTES], text_whole[TL_ENDPOINT_TEXT_BYTES];

    for (size_t come = 0; come <= size && got == TL_PROXY_MORE; come++) {
        struct tl_sv bytes = fuzz_copy((struct tl_sv){all.data, come});

        got = tl_proxy_header_read(bytes, &from, &used);
        CHECK(used <= come);
        free((void *)(uintptr_t)bytes.data);
    }
    CHECK(got == want);
    CHECK(got != TL_PROXY_MORE || size < TL_PROXY_HEADER_BYTES_MAX);
    if (got != TL_PROXY_DONE)
        return 0;
    CHECK(used == whole_used && used <= TL_PROXY_HEADER_BYTES_MAX && from.port == whole.port);
    CHECK(strcmp(tl_endpoint_text(&from, text), tl_endpoint_text(&whole, text_whole)) == 0);
    CHECK(from.known || text[0] == '\0');
    return 0;
}
