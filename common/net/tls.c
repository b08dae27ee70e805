/* tls.c: contexts of OpenSSL. See tls.h. */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

static const unsigned char http11[] = "\x08http/1.1";

/* The first error of OpenSSL's queue, which is emptied. */
static const char *first_error(char *out, size_t out_bytes)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_reason_error_string(code);

    if (code != 0 && ERR_SYSTEM_ERROR(code))
        snprintf(out, out_bytes, "%s", strerror((int)ERR_GET_REASON(code)));
    else
        snprintf(out, out_bytes, "%s", reason != NULL ? reason : "OpenSSL does not say why");
    ERR_clear_error();
    return out;
}

/* A browser offers several protocols; HTTP/1.1 is the one that is spoken here. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *offered,
                           unsigned offered_size, void *ctx)
{
    unsigned char *chosen;

    (void)ssl;
    (void)ctx;
    if (SSL_select_next_proto(&chosen, out_size, http11, sizeof http11 - 1, offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *context_new(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);

    if (context == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* An idle connection keeps no buffers of records. */
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    return context;
}

enum tl_code tl_tls_server_open(const char *certificate, const char *key, SSL_CTX **out, struct tl_err *err)
{
    SSL_CTX *context;
    char why[128];
    enum tl_code rc = TL_OK;

    ERR_clear_error();
    context = context_new(TLS_server_method());
    if (context == NULL)
        return tl_fail_memory(err, 0);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "certificate %s: %s; a PEM file with the site's certificate first would do",
                       certificate, first_error(why, sizeof why)));
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "key %s: %s; the PEM file with the key of %s would do", key,
                       first_error(why, sizeof why), certificate));
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    *out = context;
    context = NULL;
out:
    SSL_CTX_free(context);
    return rc;
}

enum tl_code tl_tls_client_open(const char *ca, SSL_CTX **out, struct tl_err *err)
{
    SSL_CTX *context;
    char why[128];
    enum tl_code rc = TL_OK;

    ERR_clear_error();
    context = context_new(TLS_client_method());
    if (context == NULL)
        return tl_fail_memory(err, 0);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (ca == NULL ? SSL_CTX_set_default_verify_paths(context) != 1 : SSL_CTX_load_verify_locations(context, ca, NULL) != 1)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "certificates of authorities %s: %s; a PEM file would do",
                       ca != NULL ? ca : "of the system", first_error(why, sizeof why)));
    *out = context;
    context = NULL;
out:
    SSL_CTX_free(context);
    return rc;
}

SSL *tl_tls_client(SSL_CTX *context, const char *host)
{
    SSL *ssl = SSL_new(context);
    unsigned char address[16];
    bool is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;

    if (ssl == NULL)
        return NULL;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) != 1
                   : SSL_set1_host(ssl, host) != 1 || SSL_set_tlsext_host_name(ssl, (char *)(uintptr_t)host) != 1) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

void tl_tls_close(SSL_CTX *context)
{
    SSL_CTX_free(context);
}

const char *tl_tls_why(SSL *ssl, int result, char *out, size_t out_bytes)
{
    long verified = SSL_get_verify_result(ssl);
    int how = SSL_get_error(ssl, result), saved = errno;

    if (verified != X509_V_OK)
        snprintf(out, out_bytes, "its certificate: %s", X509_verify_cert_error_string(verified));
    else if (how == SSL_ERROR_SYSCALL && ERR_peek_error() == 0)
        snprintf(out, out_bytes, "%s", saved != 0 ? strerror(saved) : "the connection was cut");
    else {
        first_error(out, out_bytes);
        return out;
    }
    ERR_clear_error();
    return out;
}
