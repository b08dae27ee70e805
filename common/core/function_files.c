/* function_files.c: opens and closes what functions work with. See function.h. */
#include "core/function_files.h"

#include <stdlib.h>
#include <string.h>

#include "event/zone.h"

enum tl_code tl_functions_open(const struct tl_function_files *files, struct tl_functions **out, struct tl_err *err)
{
    struct tl_functions *functions = calloc(1, sizeof *functions);

    if (functions == NULL)
        return tl_fail_memory(err, sizeof *functions);
    functions->files = *files;
    functions->catalog = *tl_function_catalog();
    functions->catalog.files = functions;
    *out = functions;
    return TL_OK;
}

void tl_functions_close(struct tl_functions *functions)
{
    if (functions == NULL)
        return;
    for (size_t i = 0; i < TL_RESOURCES; i++)
        if (functions->resources[i].data != NULL)
            functions->resources[i].close(functions->resources[i].data);
    free(functions);
}

const struct tl_catalog *tl_functions_catalog(const struct tl_functions *functions)
{
    return &functions->catalog;
}

bool tl_functions_want_secret(const struct tl_functions *functions)
{
    return functions->wants_secret;
}

void tl_functions_secret_set(struct tl_functions *functions, const uint8_t secret[TL_SECRET_BYTES])
{
    memcpy(functions->secret, secret, TL_SECRET_BYTES);
    functions->has_secret = true;
}

void tl_functions_versions(const struct tl_functions *functions, struct tl_buf *out)
{
    char zone[TL_ZONE_VERSION_BYTES];

    tl_buf_put_str(out, "tzdata ");
    tl_buf_put_str(out, tl_zone_version(zone) > 0 ? zone : "unknown");
    for (size_t i = 0; i < TL_RESOURCES; i++) {
        const struct tl_function_resource *resource = &functions->resources[i];

        if (resource->data == NULL || resource->version == NULL)
            continue;
        tl_buf_put_str(out, "; ");
        resource->version(resource->data, out);
    }
}
