/* url_fuzz.c: any text as a URL: its parts lie in it. */
#include <stdlib.h>
#include <string.h>

#include "core/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of its own size, so that the sanitizer sees a read beyond it. */
static struct tl_sv copy_of(struct tl_sv text)
{
    char *copy = malloc(text.size > 0 ? text.size : 1);

    if (copy == NULL)
        abort();
    memcpy(copy, text.size > 0 ? text.data : "", text.size);
    return (struct tl_sv){copy, text.size};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv text = copy_of((struct tl_sv){(const char *)data, size}), value;
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
