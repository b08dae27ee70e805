/* url_fuzz.c: any text as a URL: its parts lie in it. */
#include <stdlib.h>

#include "core/url.h"
#include "fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv text = fuzz_copy((struct tl_sv){(const char *)data, size}), value;
    struct tl_url url;

    if (tl_url_parse(text, &url)) {
        const struct tl_sv parts[] = {url.authority, url.user_info, url.path, url.query, url.file, url.ref};

        for (size_t i = 0; i < TL_COUNT(parts); i++)
            if (parts[i].data != NULL && (parts[i].data < text.data || parts[i].data + parts[i].size > text.data + text.size))
                abort();
        if (url.query.data != NULL && tl_url_query_find(url.query, TL_SV("a"), &value) && value.size > url.query.size)
            abort();
    }
    free((void *)(uintptr_t)text.data);
    return 0;
}
