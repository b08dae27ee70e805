/* function_domain.c: REFERRER_DOMAIN: the registrable domain of a page's address, by the list of public suffixes.
 *
 * The list is Debian's (package publicsuffix), which security updates renew; without it, the one that libpsl was built with. */
#include <inttypes.h>
#include <libpsl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/table.h"
#include "core/address.h"
#include "core/function_files.h"
#include "core/function_rows.h"
#include "core/recent.h"

enum { HOST_BYTES_MAX = 253, FILE_BYTES_MAX = 16 << 20 };

/* --- the host of an address of a page -------------------------------------------------------------------------------- */

/* "http://" or "https://" goes from the front. */
static bool scheme_cut(struct tl_sv *url)
{
    static const char *const schemes[] = {"https://", "http://"};

    for (size_t i = 0; i < TL_COUNT(schemes); i++) {
        struct tl_sv scheme = tl_sv_from(schemes[i]);

        if (url->size >= scheme.size && tl_sv_eq_nocase((struct tl_sv){url->data, scheme.size}, scheme)) {
            *url = (struct tl_sv){url->data + scheme.size, url->size - scheme.size};
            return true;
        }
    }
    return false;
}

static bool is_port(struct tl_sv text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return true;
}

/* [user[:password]@]host[:port], where the host may be [address]; browsers end it at a backslash too. */
static bool authority_host(struct tl_sv authority, struct tl_sv *host, bool *is_v6)
{
    struct tl_sv rest = authority;

    for (size_t i = authority.size; i-- > 0;)
        if (authority.data[i] == '@') {
            rest = (struct tl_sv){authority.data + i + 1, authority.size - i - 1};
            break;
        }
    *is_v6 = rest.size > 0 && rest.data[0] == '[';
    if (!*is_v6) {
        *host = tl_sv_cut(&rest, ':');
        return host->size > 0 && is_port(rest);
    }
    rest = (struct tl_sv){rest.data + 1, rest.size - 1};
    *host = tl_sv_cut(&rest, ']');
    if (host->data + host->size == authority.data + authority.size) /* no bracket closed it */
        return false;
    if (host->size == 0 || memchr(host->data, ':', host->size) == NULL) /* a name or IPv4, which are not written so */
        return false;
    if (rest.size > 0 && rest.data[0] != ':')
        return false;
    return rest.size == 0 || is_port((struct tl_sv){rest.data + 1, rest.size - 1});
}

static bool ends_authority(char c)
{
    return c == '/' || c == '?' || c == '#' || c == '\\';
}

static bool url_host(struct tl_sv url, struct tl_sv *host, bool *is_v6)
{
    size_t end = 0;

    while (url.size > 0 && (unsigned char)url.data[0] <= ' ')
        url = (struct tl_sv){url.data + 1, url.size - 1};
    while (url.size > 0 && (unsigned char)url.data[url.size - 1] <= ' ')
        url.size--;
    if (!scheme_cut(&url))
        return false;
    while (end < url.size && !ends_authority(url.data[end]))
        end++;
    return authority_host((struct tl_sv){url.data, end}, host, is_v6);
}

/* Lower-cased, without the dot of the root; letters beyond ASCII stay as they are. False: no name. */
static bool name_read(struct tl_sv host, char out[HOST_BYTES_MAX + 1], bool *is_ascii)
{
    if (host.size > 0 && host.data[host.size - 1] == '.')
        host.size--;
    if (host.size == 0 || host.size > HOST_BYTES_MAX)
        return false;
    *is_ascii = true;
    for (size_t i = 0; i < host.size;) {
        const size_t size = tl_utf8_size(host.data + i, host.size - i);
        const char c = host.data[i];

        if (size == 0)
            return false;
        if (size > 1) {
            *is_ascii = false;
            memcpy(out + i, host.data + i, size);
        } else {
            /* What no host has (WHATWG URL, forbidden domain code points), and labels that are empty. */
            if (c <= ' ' || c == 0x7f || strchr("#%/:<>?@[\\]^`{|}\"", c) != NULL ||
                (c == '.' && (i == 0 || host.data[i - 1] == '.')))
                return false;
            out[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
        }
        i += size;
    }
    out[host.size] = '\0';
    return true;
}

/* --- its domain ------------------------------------------------------------------------------------------------------ */

/* 1.2.3.999 is neither an address nor a name. */
static bool ends_in_number(const char *name)
{
    const char *dot = strrchr(name, '.'), *label = dot != NULL ? dot + 1 : name;

    return label[strspn(label, "0123456789")] == '\0';
}

/* NULL: there is none. `out` keeps it. */
static const char *name_domain(const psl_ctx_t *list, struct tl_sv host, char out[HOST_BYTES_MAX + 1])
{
    const char *domain;
    struct tl_address address;
    char *lower = NULL;
    bool is_ascii;

    if (!name_read(host, out, &is_ascii))
        return NULL;
    if (!is_ascii) {
        bool fits = psl_str_to_utf8lower(out, "utf-8", "en", &lower) == PSL_SUCCESS && strlen(lower) <= HOST_BYTES_MAX;

        if (fits)
            memcpy(out, lower, strlen(lower) + 1);
        psl_free_string(lower);
        if (!fits)
            return NULL;
    }
    if (ends_in_number(out))
        return tl_address_read(tl_sv_from(out), &address) ? out : NULL;
    domain = psl_registrable_domain(list, out);
    return domain != NULL ? domain : out; /* localhost, co.uk */
}

/* NULL data: there is none. `out` keeps it. */
static struct tl_sv host_domain(const psl_ctx_t *list, struct tl_sv host, bool is_v6, char out[HOST_BYTES_MAX + 1])
{
    const char *domain = NULL;
    struct tl_address address;

    if (!is_v6)
        domain = name_domain(list, host, out);
    else if (tl_address_read(host, &address) && address.v6 && tl_address_print(&address, out) > 0)
        domain = out;
    return domain != NULL ? tl_sv_from(domain) : (struct tl_sv){NULL, 0};
}

/* --- the list -------------------------------------------------------------------------------------------------------- */

struct suffixes {
    psl_ctx_t *list;
    char version[64];
};

static bool file_hash(const char *path, uint64_t *out)
{
    struct tl_buf bytes;
    FILE *file = fopen(path, "re");
    char *room;
    size_t got = 1;
    bool done = false;

    if (file == NULL)
        return false;
    tl_buf_init(&bytes, FILE_BYTES_MAX);
    while (got > 0 && (room = tl_buf_reserve(&bytes, 65536)) != NULL) {
        got = fread(room, 1, 65536, file);
        bytes.size += got;
    }
    done = !ferror(file) && !bytes.failed;
    if (done)
        *out = tl_hash_bytes(tl_buf_sv(&bytes));
    tl_buf_done(&bytes);
    fclose(file);
    return done;
}

static void suffixes_close(void *data)
{
    struct suffixes *suffixes = data;

    psl_free(suffixes->list); /* not the built-in one: it knows that one */
    free(suffixes);
}

static void suffixes_version(const void *data, struct tl_buf *out)
{
    tl_buf_put_str(out, ((const struct suffixes *)data)->version);
}

static enum tl_code suffixes_open(struct suffixes **out, struct tl_err *err)
{
    struct suffixes *suffixes = calloc(1, sizeof *suffixes);
    const char *path = psl_dist_filename();
    uint64_t hash = 0;

    if (suffixes == NULL)
        return tl_fail_memory(err, sizeof *suffixes);
    if (path != NULL && path[0] != '\0' && file_hash(path, &hash))
        suffixes->list = psl_load_file(path);
    if (suffixes->list != NULL) {
        snprintf(suffixes->version, sizeof suffixes->version, "publicsuffix xxh3:%016" PRIx64, hash);
    } else {
        suffixes->list = (psl_ctx_t *)(uintptr_t)psl_builtin();
        snprintf(suffixes->version, sizeof suffixes->version, "publicsuffix built in %.40s", psl_builtin_sha1sum());
    }
    if (suffixes->list == NULL) {
        free(suffixes);
        return tl_fail(err, TL_ERR_NOT_FOUND,
                       "REFERRER_DOMAIN needs the list of public suffixes, and there is none; install the package publicsuffix");
    }
    *out = suffixes;
    return TL_OK;
}

static enum tl_code referrer_domain_prepare(const struct tl_prepare *with, const void **state, struct tl_err *err)
{
    struct tl_function_resource *resource;
    struct suffixes *suffixes;
    enum tl_code rc = TL_OK;

    if (with->functions == NULL)
        return tl_fail(err, TL_ERR_DEFINITION, "REFERRER_DOMAIN needs the list of public suffixes, which is not opened here");
    resource = &with->functions->resources[TL_RESOURCE_SUFFIXES];
    if (resource->data == NULL) {
        TL_TRY(suffixes_open(&suffixes, err));
        *resource = (struct tl_function_resource){suffixes, suffixes_close, suffixes_version};
    }
    *state = ((const struct suffixes *)resource->data)->list;
out:
    return rc;
}

/* --- the function ---------------------------------------------------------------------------------------------------- */

/* By host (of IPv6 it has colons, else none): libpsl takes 3 to 5 us for one. Few hosts refer most visitors. */
static void *recent_open(void)
{
    return tl_recent_open();
}

static void recent_close(void *recent)
{
    tl_recent_close(recent);
}

static const struct tl_memory_kind recent_kind = {recent_open, recent_close};

static bool referrer_domain(const struct tl_call *call)
{
    tl_call_clear_null(call);
    for (uint32_t i = 0, row; tl_call_row(call, &i, &row);) {
        struct tl_sv host, domain = {NULL, 0};
        char text[HOST_BYTES_MAX + 1];
        bool is_v6;

        if (url_host(call->args[0].sv[row], &host, &is_v6) && !tl_recent_find(call->memory, host, &domain)) {
            domain = host_domain(call->state, host, is_v6, text);
            tl_recent_put(call->memory, host, domain);
        }
        if (domain.data == NULL)
            tl_call_null(call, row);
        else if (!tl_arena_copy(call->arena, domain, &call->out->sv[row]))
            return false;
    }
    return true;
}

static const struct tl_function functions[] = {
    TL_ROW("REFERRER_DOMAIN", "REFERRER_DOMAIN(STRING) -> STRING", 1, 1, STRING, referrer_domain, .args = {TL_STRING},
           .ours = true, .prepare = referrer_domain_prepare, .memory = &recent_kind, .works_with = "publicsuffix"),
};

const struct tl_catalog tl_functions_domain = {functions, TL_COUNT(functions), &tl_functions_find, NULL};
