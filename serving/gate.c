/* gate.c: who may ask, from where, and how often. See gate.h. */
#include "gate.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "assets.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/table.h"
#include "problem.h"

enum {
    SECRETS_MAX = 256,
    FILE_BYTES_MAX = 1 << 20,
    CREDENTIALS_MAX = 1024,
    BUCKETS = 16384, /* of addresses; some share one set */
    WAYS = 4,
    BURST_S = 2,
    FAILURES_BURST = 20, /* wrong secrets; and then one a second */
};
#define METHODS "GET, HEAD, OPTIONS"
#define SESSION TL_SV("/session")

struct secret {
    bool basic;
    uint8_t user[SHA256_DIGEST_LENGTH]; /* basic */
    uint8_t secret[SHA256_DIGEST_LENGTH];
};
static_assert((int)SECRETS_MAX <= TL_PASS_OWNERS, "a pass is its secret's");

/* What a call shows for one; empty where that is none. */
struct shown {
    bool basic;
    struct tl_sv user, secret;
};

enum verdict { KNOWN, NOBODY, WRONG, TOO_OFTEN };

/* Of somebody so much is left. */
struct bucket {
    uint64_t who;
    int64_t at_ms; /* monotonic */
    double left;
};

struct allowance {
    double rate, most; /* a second; at once */
    struct bucket buckets[BUCKETS];
};

struct tl_gate {
    const struct tl_gate_options *options;
    struct tl_serve_meter *meter;
    bool loopback;
    struct secret secrets[SECRETS_MAX];
    size_t secrets_count;
    bool has_tokens;
    struct tl_passes *passes;
    bool limits_loopback;
    uint64_t seed;
    struct allowance requests, failures;
};

/* ---- secrets ---- */

static enum tl_code add_secret(struct tl_gate *gate, const char *place, bool basic, struct tl_sv name, struct tl_sv secret,
                               struct tl_err *err)
{
    struct tl_sv prefix = TL_SV("sha256:");
    struct secret *to = &gate->secrets[gate->secrets_count];
    size_t least = basic ? TL_GATE_PASSWORD_MIN : TL_GATE_SECRET_MIN;

    if (gate->secrets_count == SECRETS_MAX)
        return tl_fail(err, TL_ERR_USAGE, "%s: more than %d secrets", place, SECRETS_MAX);
    to->basic = basic;
    if (!tl_passes_hash(name, to->user))
        return tl_fail_memory(err, 0);
    if (tl_sv_starts(secret, prefix)) {
        if (secret.size != prefix.size + (size_t)2 * SHA256_DIGEST_LENGTH)
            return tl_fail(err, TL_ERR_USAGE,
                           "%s: sha256: is followed by 64 hex digits, as `printf %%s SECRET | sha256sum` gives them", place);
        for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++) {
            int high = tl_hex_digit(secret.data[prefix.size + 2 * i]), low = tl_hex_digit(secret.data[prefix.size + 2 * i + 1]);

            if (high < 0 || low < 0)
                return tl_fail(err, TL_ERR_USAGE, "%s: sha256: is followed by 64 hex digits", place);
            to->secret[i] = (uint8_t)(high * 16 + low);
        }
    } else {
        if (secret.size < least)
            return tl_fail(err, TL_ERR_USAGE, "%s: a %s has at least %zu characters; `openssl rand -hex 32` makes one", place,
                           basic ? "password" : "token", least);
        if (!tl_passes_hash(secret, to->secret))
            return tl_fail_memory(err, 0);
    }
    gate->secrets_count++;
    gate->has_tokens |= !basic;
    return TL_OK;
}

/* The rest of a line belongs to the secret: a password may have blanks in it. */
static enum tl_code read_line(struct tl_gate *gate, const char *path, size_t number, struct tl_sv line, struct tl_err *err)
{
    struct tl_sv kind, name;
    char place[300];

    line = tl_sv_trim(line);
    if (line.size == 0 || line.data[0] == '#')
        return TL_OK;
    snprintf(place, sizeof place, "%s:%zu", path, number);
    kind = tl_sv_cut(&line, ' ');
    line = tl_sv_trim(line);
    name = tl_sv_cut(&line, ' ');
    line = tl_sv_trim(line);
    if ((!tl_sv_eq(kind, TL_SV("token")) && !tl_sv_eq(kind, TL_SV("basic"))) || name.size == 0 || line.size == 0)
        return tl_fail(err, TL_ERR_USAGE, "%s: neither 'token NAME SECRET' nor 'basic USER PASSWORD'", place);
    return add_secret(gate, place, tl_sv_eq(kind, TL_SV("basic")), name, line, err);
}

static enum tl_code read_file(struct tl_gate *gate, const char *path, struct tl_err *err)
{
    FILE *file = fopen(path, "re");
    struct tl_sv rest;
    struct stat st;
    char *text = NULL;
    size_t size = 0;
    enum tl_code rc = TL_OK;

    if (file == NULL)
        return tl_fail_errno(err, TL_ERR_USAGE, "--auth-file %s", path);
    if (fstat(fileno(file), &st) == 0 && (st.st_mode & S_IROTH) != 0)
        tl_diag(TL_WARN, "--auth-file %s: everybody on this machine can read it; chmod 640 would do", path);
    text = malloc(FILE_BYTES_MAX);
    if (text == NULL)
        TL_TRY(tl_fail_memory(err, FILE_BYTES_MAX));
    size = fread(text, 1, FILE_BYTES_MAX, file);
    if (ferror(file) || size == FILE_BYTES_MAX)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--auth-file %s: cannot be read, or has %d bytes and more", path, FILE_BYTES_MAX));
    rest = (struct tl_sv){text, size};
    for (size_t number = 1; rest.size > 0; number++)
        TL_TRY(read_line(gate, path, number, tl_sv_cut(&rest, '\n'), err));
    if (gate->secrets_count == 0)
        TL_TRY(tl_fail(err, TL_ERR_USAGE, "--auth-file %s: there is no secret in it; 'token NAME SECRET' would be one", path));
out:
    if (text != NULL)
        OPENSSL_cleanse(text, size);
    free(text);
    fclose(file);
    return rc;
}

/* ---- how often ---- */

/* Of IPv6 the network that one customer has. */
static uint64_t address_of(const struct tl_gate *gate, const struct tl_endpoint *peer)
{
    static const uint8_t v4[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    uint64_t words[3] = {gate->seed, 0, 0};

    memcpy(&words[1], peer->bytes, memcmp(peer->bytes, v4, sizeof v4) == 0 ? 16 : 8);
    return tl_hash_bytes((struct tl_sv){(const char *)words, sizeof words});
}

/* Of a name, known or not, at which somebody guesses. */
static uint64_t name_of(const struct tl_gate *gate, const struct shown *shown)
{
    uint64_t words[3] = {gate->seed, tl_hash_bytes(shown->user), shown->basic};

    return tl_hash_bytes((struct tl_sv){(const char *)words, sizeof words});
}

/* Whoever comes in the place of another goes on with what that one has left: else many who come once would make it whole again for the one before them. */
static struct bucket *bucket_of(struct allowance *allowance, uint64_t who)
{
    struct bucket *set = &allowance->buckets[who % (BUCKETS / WAYS) * WAYS], *oldest = set;

    for (size_t w = 0; w < WAYS; w++) {
        if (set[w].who == who)
            return &set[w];
        if (set[w].at_ms < oldest->at_ms)
            oldest = &set[w];
    }
    oldest->who = who;
    return oldest;
}

/* What is left by now; good until the next call. */
static double *left_of(struct allowance *allowance, uint64_t who)
{
    int64_t now_ms = tl_clock_monotonic_ms();
    struct bucket *bucket = bucket_of(allowance, who);
    double left = bucket->left + (double)(now_ms - bucket->at_ms) / 1000 * allowance->rate;

    bucket->left = bucket->at_ms != 0 && left < allowance->most ? left : allowance->most;
    bucket->at_ms = now_ms;
    return &bucket->left;
}

static bool may_ask(struct tl_gate *gate, const struct tl_endpoint *peer)
{
    double *left;

    if (gate->requests.rate <= 0 || (!gate->limits_loopback && tl_endpoint_is_loopback(peer)))
        return true;
    left = left_of(&gate->requests, address_of(gate, peer));
    if (*left < 1)
        return false;
    *left -= 1;
    return true;
}

/* The one that it is, or -1. All are looked at, whichever is right. */
static int find_secret(const struct tl_gate *gate, const struct shown *shown)
{
    uint8_t user_hash[SHA256_DIGEST_LENGTH], secret_hash[SHA256_DIGEST_LENGTH];
    int found = -1;

    if (shown->secret.size == 0 || !tl_passes_hash(shown->user, user_hash) || !tl_passes_hash(shown->secret, secret_hash))
        return -1;
    for (size_t s = 0; s < gate->secrets_count; s++) {
        int wrong = CRYPTO_memcmp(secret_hash, gate->secrets[s].secret, sizeof secret_hash);

        if (shown->basic)
            wrong |= CRYPTO_memcmp(user_hash, gate->secrets[s].user, sizeof user_hash);
        if ((wrong == 0) & (gate->secrets[s].basic == shown->basic))
            found = (int)s;
    }
    OPENSSL_cleanse(secret_hash, sizeof secret_hash);
    return found;
}

static struct shown read_shown(struct tl_sv value, unsigned char plain[CREDENTIALS_MAX + 4])
{
    struct tl_sv scheme = tl_sv_cut(&value, ' ');
    struct shown shown = {.basic = tl_sv_eq_nocase(scheme, TL_SV("Basic"))};
    int size, padding = 0;

    value = tl_sv_trim(value);
    if (tl_sv_eq_nocase(scheme, TL_SV("Bearer")))
        shown.secret = value;
    if (!shown.basic || value.size == 0 || value.size % 4 != 0 || value.size > CREDENTIALS_MAX)
        return shown;
    while (padding < 2 && value.data[value.size - 1 - (size_t)padding] == '=')
        padding++;
    size = EVP_DecodeBlock(plain, (const unsigned char *)value.data, (int)value.size);
    if (size < padding)
        return shown;
    shown.secret = (struct tl_sv){(const char *)plain, (size_t)(size - padding)};
    shown.user = tl_sv_cut(&shown.secret, ':');
    return shown;
}

/* Whoever shows wrong secrets waits, and so none of his is looked at. A proxy on this machine may come with anybody: there the name waits at which somebody
 * guesses, and no other. A token is looked at even so: it has no name, and is too long to be guessed, however often. */
static enum verdict judge_shown(struct tl_gate *gate, const struct tl_endpoint *peer, const struct shown *shown, int *secret)
{
    bool is_near = tl_endpoint_is_loopback(peer);
    uint64_t who = is_near ? name_of(gate, shown) : address_of(gate, peer);
    double *left = left_of(&gate->failures, who);

    if (*left < 1 && (!is_near || shown->basic))
        return TOO_OFTEN;
    *secret = find_secret(gate, shown);
    if (*secret >= 0)
        return KNOWN;
    if (*left < 1)
        return TOO_OFTEN;
    *left -= 1;
    return WRONG;
}

/* A secret that is shown counts alone, right or wrong; -1: the call came by a pass. */
static enum verdict judge(struct tl_gate *gate, const struct tl_http_call *call, int *secret)
{
    struct tl_sv authorization = tl_http_call_header(call, "authorization");
    unsigned char plain[CREDENTIALS_MAX + 4];
    struct shown shown;
    enum verdict verdict;

    *secret = -1;
    if (authorization.data == NULL)
        return tl_passes_has(gate->passes, call, tl_clock_monotonic_ms()) ? KNOWN : NOBODY;
    shown = read_shown(authorization, plain);
    verdict = judge_shown(gate, &call->peer, &shown, secret);
    OPENSSL_cleanse(plain, sizeof plain);
    return verdict;
}

/* ---- from where ---- */

static bool is_in(const struct tl_option_list *list, struct tl_sv word)
{
    for (size_t i = 0; i < list->count; i++)
        if (tl_sv_eq_nocase(tl_sv_from(list->items[i]), word))
            return true;
    return false;
}

/* Without its port; of [::1]:80 what stands between the brackets. */
static struct tl_sv host_name(struct tl_sv host)
{
    struct tl_sv rest = host;

    if (host.size > 0 && host.data[0] == '[') {
        rest = (struct tl_sv){host.data + 1, host.size - 1};
        return tl_sv_cut(&rest, ']');
    }
    return tl_sv_cut(&rest, ':');
}

static bool is_own_name(struct tl_sv name)
{
    struct tl_endpoint endpoint;

    return tl_sv_eq_nocase(name, TL_SV("localhost")) ||
           (tl_endpoint_parse(name, &endpoint) && tl_endpoint_is_loopback(&endpoint));
}

static bool host_is_good(const struct tl_gate *gate, const struct tl_http_call *call)
{
    struct tl_sv name = host_name(call->head.host);

    return gate->secrets_count > 0 || name.size == 0 || is_own_name(name) || is_in(&gate->options->hosts, name);
}

static bool is_listed(const struct tl_gate *gate, struct tl_sv origin)
{
    return is_in(&gate->options->origins, origin) || is_in(&gate->options->origins, TL_SV("*"));
}

/* No page of another site has sent it. */
static bool is_own(const struct tl_http_call *call)
{
    struct tl_sv origin = tl_http_call_header(call, "origin"), rest = origin;

    /* A browser always says, and with TLS it compares for itself; a proxy may have changed Host. Source: Fetch Metadata, 2.3. */
    if (origin.data == NULL || tl_sv_eq(tl_http_call_header(call, "sec-fetch-site"), TL_SV("same-origin")))
        return true;
    /* A proxy may have taken TLS off: the scheme is not compared. */
    return tl_sv_starts(origin, TL_SV("http")) && (tl_sv_cut(&rest, '/'), tl_sv_cut(&rest, '/'), true) && rest.size > 0 &&
           tl_sv_eq_nocase(rest, call->head.host);
}

bool tl_gate_origin_is_good(const struct tl_gate *gate, const struct tl_http_call *call)
{
    struct tl_sv origin = tl_http_call_header(call, "origin");

    /* A pass came along whoever has sent it; it was given to our own page. */
    return is_own(call) ||
           (is_listed(gate, origin) && (gate->secrets_count == 0 || tl_http_call_header(call, "authorization").data != NULL));
}

void tl_gate_use(struct tl_gate *gate, const struct tl_http_call *call, struct tl_pass_use *use)
{
    if (tl_http_call_header(call, "authorization").data == NULL)
        tl_passes_use(gate->passes, call, tl_clock_monotonic_ms(), use);
}

void tl_gate_look(struct tl_gate *gate)
{
    tl_passes_look(gate->passes, tl_clock_monotonic_ms());
}

/* ---- what a browser is told ---- */

void tl_gate_put_headers(const struct tl_gate *gate, const struct tl_http_call *call, bool page, struct tl_buf *out)
{
    struct tl_sv origin = tl_http_call_header(call, "origin");

    tl_buf_put_str(out, "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\n"
                        "Cross-Origin-Opener-Policy: same-origin\r\n");
    tl_buf_put_str(out, page ? "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "
                               "data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                               "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'\r\n"
                             : "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n");
    if (gate->options->origins.count == 0) {
        tl_buf_put_str(out, "Cross-Origin-Resource-Policy: same-origin\r\n");
        return;
    }
    tl_buf_put_str(out, "Vary: Origin\r\n");
    if (origin.size == 0 || !is_listed(gate, origin))
        return;
    tl_buf_put_str(out, "Access-Control-Allow-Origin: ");
    tl_buf_put_sv(out, origin);
    tl_buf_put_str(
        out,
        "\r\nAccess-Control-Expose-Headers: ETag, Link, Retry-After, Tally-As-Of, Tally-Boundary, Tally-More, Tally-Stale\r\n");
}

void tl_gate_refuse_with(const struct tl_gate *gate, struct tl_http_call *call, int status, const char *headers,
                         struct tl_blob *problem)
{
    struct tl_buf head;

    tl_buf_init(&head, 0);
    tl_buf_put_str(&head, "Content-Type: " TL_PROBLEM_TYPE "\r\nCache-Control: no-store\r\n");
    tl_buf_put_str(&head, headers);
    tl_gate_put_headers(gate, call, false, &head);
    tl_serve_meter_status(gate->meter, status);
    tl_http_answer(call, status, tl_buf_sv(&head), problem);
    tl_buf_done(&head);
}

void tl_gate_refuse(const struct tl_gate *gate, struct tl_http_call *call, int status, const char *headers, const char *detail)
{
    struct tl_problem problem;
    struct tl_buf body;

    tl_problem_init(&problem);
    tl_buf_init(&body, 0);
    tl_problem_set(&problem, status, NULL, "%s", detail);
    tl_problem_put(&body, &problem);
    tl_gate_refuse_with(gate, call, status, headers, tl_blob_copy(tl_buf_sv(&body)));
    tl_problem_done(&problem);
    tl_buf_done(&body);
}

/* OPTIONS is answered to everybody: a browser asks without a secret whether it may ask with one. */
static void answer_options(const struct tl_gate *gate, struct tl_http_call *call)
{
    struct tl_sv origin = tl_http_call_header(call, "origin");
    struct tl_buf head;

    tl_buf_init(&head, 0);
    tl_buf_put_str(&head, "Allow: " METHODS "\r\n");
    tl_gate_put_headers(gate, call, false, &head);
    if (origin.size > 0 && is_listed(gate, origin))
        tl_buf_put_str(&head, "Access-Control-Allow-Methods: " METHODS "\r\nAccess-Control-Allow-Headers: Accept, Authorization, "
                              "If-None-Match, Last-Event-ID\r\nAccess-Control-Max-Age: 600\r\n");
    tl_serve_meter_status(gate->meter, 204);
    tl_http_answer(call, 204, tl_buf_sv(&head), NULL);
    tl_buf_done(&head);
}

/* ---- who is there ---- */

/* What the page needs with which one signs in; none of it says anything of this server. */
static bool is_open(struct tl_sv path)
{
    return tl_sv_eq(path, TL_SV("/sign_in.js")) || tl_sv_eq(path, TL_SV("/app.css")) || tl_sv_eq(path, TL_SV("/icon.svg"));
}

static bool wants_page(const struct tl_http_call *call)
{
    struct tl_sv list = tl_http_call_header(call, "accept");

    if (!tl_sv_eq(call->path, TL_SV("/")))
        return false;
    while (list.size > 0)
        if (tl_sv_starts(tl_sv_trim(tl_sv_cut(&list, ',')), TL_SV("text/html")))
            return true;
    return false;
}

/* A browser asks people for a name and a password by itself, whenever it is told of Basic, but knows nothing of tokens. So where there are any it is not
 * told, and there is a page that takes either; who has a password may send it all the same. */
static void ask_who(struct tl_gate *gate, struct tl_http_call *call, bool is_wrong)
{
    static const char bearer[] = "WWW-Authenticate: Bearer\r\n",
                      basic[] = "WWW-Authenticate: Basic realm=\"tally\", charset=\"UTF-8\"\r\n";
    const struct tl_asset *page = tl_asset_find(TL_SV("/sign_in.html"));
    struct tl_buf head;

    if (!gate->has_tokens || page == NULL || !wants_page(call)) {
        tl_gate_refuse(gate, call, 401, gate->has_tokens ? bearer : basic,
                       is_wrong ? "that is no secret of this server" : "a token (Authorization: Bearer) or a password is needed");
        return;
    }
    tl_buf_init(&head, 0);
    tl_buf_printf(&head, "Content-Type: %s\r\nCache-Control: no-store\r\nVary: Accept, Cookie\r\n%s", page->type, bearer);
    tl_gate_put_headers(gate, call, true, &head);
    tl_serve_meter_status(gate->meter, 401);
    tl_http_answer(call, 401, tl_buf_sv(&head), tl_blob_copy((struct tl_sv){(const char *)page->bytes, page->size}));
    tl_buf_done(&head);
}

/* POST /session, with a secret: a pass for it. DELETE: it is no good any more. */
static bool answer_session(struct tl_gate *gate, struct tl_http_call *call, int secret)
{
    bool begins = tl_sv_eq(call->method, TL_SV("POST"));
    enum tl_code rc = TL_OK;
    struct tl_buf head;
    struct tl_err err;

    if (!tl_sv_eq(call->path, SESSION) || (!begins && !tl_sv_eq(call->method, TL_SV("DELETE"))))
        return false;
    if (!is_own(call)) { /* a browser sends a password that it knows for whoever asks */
        tl_gate_refuse(gate, call, 403, "", "this page may sign nobody in or out; a proxy in between has to pass Host on");
        return true;
    }
    tl_buf_init(&head, 0);
    if (!begins)
        tl_passes_take(gate->passes, call, tl_clock_monotonic_ms(), &head);
    else if (secret >= 0)
        rc = tl_passes_give(gate->passes, call, (size_t)secret, tl_clock_monotonic_ms(), &head, &err);
    if (rc != TL_OK) {
        tl_gate_refuse(gate, call, 503, "Retry-After: 1\r\n", err.message);
    } else {
        tl_buf_put_str(&head, "Cache-Control: no-store\r\n");
        tl_gate_put_headers(gate, call, false, &head);
        tl_serve_meter_status(gate->meter, 204);
        tl_http_answer(call, 204, tl_buf_sv(&head), NULL);
    }
    tl_buf_done(&head);
    return true;
}

/* Two are read as one by some and as the other by others. */
static bool says_twice(const struct tl_http_call *call, struct tl_sv name)
{
    size_t count = 0;

    for (size_t h = 0; h < call->head.headers_count; h++)
        count += tl_sv_eq_nocase(call->head.headers[h].name, name);
    return count > 1;
}

/* True: it may go on. `secret`: by which. */
static bool is_let_in(struct tl_gate *gate, struct tl_http_call *call, int *secret)
{
    if (says_twice(call, TL_SV("authorization"))) {
        tl_gate_refuse(gate, call, 400, "", "two Authorization headers");
        return false;
    }
    switch (judge(gate, call, secret)) {
    case KNOWN: return true;
    case NOBODY: ask_who(gate, call, false); return false;
    case WRONG: ask_who(gate, call, true); return false;
    case TOO_OFTEN: tl_gate_refuse(gate, call, 429, "Retry-After: 1\r\n", "too many wrong secrets: wait a moment"); return false;
    }
    return false;
}

bool tl_gate_let_in(struct tl_gate *gate, struct tl_http_call *call)
{
    int secret = -1;

    if (!may_ask(gate, &call->peer)) {
        tl_gate_refuse(gate, call, 429, "Retry-After: 1\r\n", "this address asks more often than it may");
        return false;
    }
    if (!host_is_good(gate, call)) {
        tl_gate_refuse(gate, call, 421, "", "Host names another machine; --host NAME would allow it");
        return false;
    }
    if (tl_sv_eq(call->method, TL_SV("OPTIONS"))) {
        answer_options(gate, call);
        return false;
    }
    if (gate->secrets_count > 0 && !is_open(call->path) && !is_let_in(gate, call, &secret))
        return false;
    if (gate->secrets_count > 0 && answer_session(gate, call, secret))
        return false;
    if (!tl_sv_eq(call->method, TL_SV("GET")) && !tl_sv_eq(call->method, TL_SV("HEAD"))) {
        tl_gate_refuse(gate, call, 405, "Allow: " METHODS "\r\n", "there is nothing to change here: GET and HEAD would do");
        return false;
    }
    return true;
}

/* ---- opening ---- */

static bool is_loopback(const struct tl_listen *listen)
{
    return is_own_name(tl_sv_from(listen->host));
}

static enum tl_code check_origins(const struct tl_option_list *origins, struct tl_err *err)
{
    for (size_t i = 0; i < origins->count; i++) {
        struct tl_sv origin = tl_sv_from(origins->items[i]), rest = origin, scheme = tl_sv_cut(&rest, ':');
        bool good = (tl_sv_eq(scheme, TL_SV("http")) || tl_sv_eq(scheme, TL_SV("https"))) && tl_sv_starts(rest, TL_SV("//")) &&
                    rest.size > 2 && memchr(rest.data + 2, '/', rest.size - 2) == NULL;

        if (!good && !tl_sv_eq(origin, TL_SV("*")))
            return tl_fail(err, TL_ERR_USAGE, "--cors %s: not the origin of a page; https://dashboard.example would do, or *",
                           origins->items[i]);
    }
    return TL_OK;
}

enum tl_code tl_gate_open(const struct tl_gate_options *options, const struct tl_listen *listen, struct tl_serve_meter *meter,
                          struct tl_gate **out, struct tl_err *err)
{
    const char *token = getenv("TALLY_SERVE_TOKEN");
    struct tl_gate *gate = calloc(1, sizeof *gate);
    enum tl_code rc;

    if (gate == NULL)
        return tl_fail_memory(err, sizeof *gate);
    gate->options = options;
    gate->meter = meter;
    gate->loopback = is_loopback(listen);
    gate->limits_loopback = options->rate >= 0;
    gate->requests.rate = (double)(options->rate >= 0 ? options->rate : TL_GATE_RATE);
    gate->requests.most = gate->requests.rate * BURST_S;
    gate->failures.rate = 1;
    gate->failures.most = FAILURES_BURST;
    if (getrandom(&gate->seed, sizeof gate->seed, 0) != (ssize_t)sizeof gate->seed)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "getrandom"));
    TL_TRY(tl_passes_open(listen->port, options->pass_ms > 0 ? options->pass_ms : TL_GATE_PASS_MS, &gate->passes, err));
    TL_TRY(check_origins(&options->origins, err));
    if (options->auth_file != NULL)
        TL_TRY(read_file(gate, options->auth_file, err));
    if (token != NULL && token[0] != '\0')
        TL_TRY(add_secret(gate, "TALLY_SERVE_TOKEN", false, TL_SV("TALLY_SERVE_TOKEN"), tl_sv_from(token), err));
    if (!gate->loopback && gate->secrets_count == 0)
        TL_TRY(tl_fail(err, TL_ERR_USAGE,
                       "--listen %s: others can reach that address, so who asks has to say who he is: --auth-file FILE with a "
                       "line 'token NAME SECRET' or 'basic USER PASSWORD' would do, or TALLY_SERVE_TOKEN",
                       listen->host));
    *out = gate;
    gate = NULL;
out:
    tl_gate_close(gate);
    return rc;
}

void tl_gate_close(struct tl_gate *gate)
{
    if (gate == NULL)
        return;
    OPENSSL_cleanse(gate->secrets, sizeof gate->secrets);
    tl_passes_close(gate->passes);
    free(gate);
}

bool tl_gate_is_loopback(const struct tl_gate *gate)
{
    return gate->loopback;
}

bool tl_gate_has_secrets(const struct tl_gate *gate)
{
    return gate->secrets_count > 0;
}
