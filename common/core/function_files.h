/* function_files.h: what functions work with, for the files function*.c alone. */
#ifndef TL_FUNCTION_FILES_H
#define TL_FUNCTION_FILES_H

#include "core/function.h"

/* Opened at first need by the function_<noun>.c that owns it, and closed by its close(). One thread binds views files. */
struct tl_function_resource {
    void *data; /* NULL: not opened */
    void (*close)(void *data);
    void (*version)(const void *data, struct tl_buf *out); /* "name version": its first word names it; NULL: has none */
};

enum tl_resource { TL_RESOURCE_LIBRARY, TL_RESOURCE_USER_AGENTS, TL_RESOURCE_PLACES, TL_RESOURCE_SUFFIXES, TL_RESOURCES };

struct tl_functions {
    struct tl_catalog catalog;
    struct tl_function_files files; /* texts are the caller's */
    struct tl_function_resource resources[TL_RESOURCES];
    bool wants_secret, has_secret;
    uint8_t secret[TL_SECRET_BYTES];
};

#endif
