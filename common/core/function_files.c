/* function_files.c: opens and closes what functions work with. See function.h. */
#include "core/function_files.h"

#include <stdlib.h>
#include <string.h>

#include "core/udf.h"
#include "event/zone.h"

static void library_close(void *data)
{
    tl_udf_close(data);
}

static void library_version(const void *data, struct tl_buf *out)
{
    tl_udf_version(data, out);
}

/* Its table stands behind the first of the built-in ones: no name is in two. */
static enum tl_code library_open(struct tl_functions *functions, struct tl_err *err)
{
    struct tl_udf *udf;
    enum tl_code rc = tl_udf_open(functions->files.library, tl_function_catalog(), &udf, err);

    if (rc != TL_OK)
        return rc;
    functions->resources[TL_RESOURCE_LIBRARY] = (struct tl_function_resource){udf, library_close, library_version};
    tl_udf_catalog(udf)->next = functions->catalog.next;
    functions->catalog.next = tl_udf_catalog(udf);
    return TL_OK;
}

enum tl_code tl_functions_open(const struct tl_function_files *files, struct tl_functions **out, struct tl_err *err)
{
    struct tl_functions *functions = calloc(1, sizeof *functions);

    if (functions == NULL)
        return tl_fail_memory(err, sizeof *functions);
    functions->files = *files;
    functions->catalog = *tl_function_catalog();
    functions->catalog.files = functions;
    if (files->library != NULL) {
        enum tl_code rc = library_open(functions, err);

        if (rc != TL_OK) {
            tl_functions_close(functions);
            return rc;
        }
    }
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

/* Files and libraries call themselves what they like: one item stays one item, and printable. */
static void version_clean(struct tl_buf *out, size_t from)
{
    for (size_t i = from; i < out->size; i++)
        if (out->data[i] < ' ' || out->data[i] > '~' || out->data[i] == ';')
            out->data[i] = '?';
}

void tl_functions_versions(const struct tl_functions *functions, struct tl_buf *out)
{
    char zone[TL_ZONE_VERSION_BYTES];

    tl_buf_put_str(out, "tzdata ");
    tl_buf_put_str(out, tl_zone_version(zone) > 0 ? zone : "unknown");
    for (size_t i = 0; i < TL_RESOURCES; i++) {
        const struct tl_function_resource *resource = &functions->resources[i];
        size_t from;

        if (resource->data == NULL || resource->version == NULL)
            continue;
        tl_buf_put_str(out, "; ");
        from = out->size;
        resource->version(resource->data, out);
        version_clean(out, from);
    }
}
