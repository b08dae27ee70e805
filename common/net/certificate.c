/* certificate.c: a certificate that is read anew when it changes. See certificate.h. */
#include "net/certificate.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "net/tls.h"

/* What tells one state of a file from another; all zero: it is not there. */
struct look {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct tl_certificate {
    const char *files[2];
    struct look looks[2];
    SSL_CTX *context;
};

/* Is either another one than before? */
static bool look_again(struct tl_certificate *certificate)
{
    bool changed = false;

    for (size_t f = 0; f < 2; f++) {
        struct look *before = &certificate->looks[f], now = {0};
        struct stat status;

        if (stat(certificate->files[f], &status) == 0)
            now = (struct look){status.st_dev, status.st_ino, status.st_size, status.st_mtim};
        changed |= now.device != before->device || now.inode != before->inode || now.size != before->size ||
                   now.changed.tv_sec != before->changed.tv_sec || now.changed.tv_nsec != before->changed.tv_nsec;
        *before = now;
    }
    return changed;
}

enum tl_code tl_certificate_open(const char *file, const char *key, struct tl_certificate **out, struct tl_err *err)
{
    struct tl_certificate *certificate = calloc(1, sizeof *certificate);
    bool fresh;
    enum tl_code rc = TL_OK;

    if (certificate == NULL)
        return tl_fail_memory(err, sizeof *certificate);
    certificate->files[0] = file;
    certificate->files[1] = key;
    TL_TRY(tl_certificate_refresh(certificate, true, &fresh, err));
    *out = certificate;
    certificate = NULL;
out:
    tl_certificate_close(certificate);
    return rc;
}

void tl_certificate_close(struct tl_certificate *certificate)
{
    if (certificate == NULL)
        return;
    tl_tls_close(certificate->context);
    free(certificate);
}

enum tl_code tl_certificate_refresh(struct tl_certificate *certificate, bool anyway, bool *fresh, struct tl_err *err)
{
    bool changed = look_again(certificate); /* before they are read: a change meanwhile is seen the next time */
    SSL_CTX *context;
    enum tl_code rc;

    *fresh = false;
    if (!changed && !anyway)
        return TL_OK;
    rc = tl_tls_server_open(certificate->files[0], certificate->files[1], &context, err);
    if (rc != TL_OK)
        return rc;
    tl_tls_close(certificate->context);
    certificate->context = context;
    *fresh = true;
    return TL_OK;
}

SSL *tl_certificate_accept(struct tl_certificate *certificate)
{
    SSL *ssl = SSL_new(certificate->context);

    if (ssl != NULL)
        SSL_set_accept_state(ssl);
    return ssl;
}
