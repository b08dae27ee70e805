/* access_log.c: a line of a web server's access log -> an event. */
#include "speed_layer/access_log.h"

#include <string.h>

#include "core/file_request.h"
#include "event/timestamp.h"

enum { TIME_BYTES = 26, METHOD_BYTES_MAX = 32 };

/* ---- the line ---- */

static struct tl_sv from(struct tl_sv text, size_t at)
{
    return (struct tl_sv){text.data + at, text.size - at};
}

static struct tl_sv none_if_dash(struct tl_sv text)
{
    return text.size == 1 && text.data[0] == '-' ? (struct tl_sv){NULL, 0} : text;
}

/* The word up to the first space; false when there is none, or nothing before it. */
static bool read_word(struct tl_sv *rest, struct tl_sv *word)
{
    const char *space = rest->size == 0 ? NULL : memchr(rest->data, ' ', rest->size);

    if (space == NULL || space == rest->data)
        return false;
    *word = (struct tl_sv){rest->data, (size_t)(space - rest->data)};
    *rest = from(*rest, word->size + 1);
    return true;
}

/* A number, or "-" as -1, up to a space or the end. */
static bool read_number(struct tl_sv *rest, int64_t *out)
{
    size_t size = 0;

    while (size < rest->size && rest->data[size] != ' ')
        size++;
    if (size == 1 && rest->data[0] == '-')
        *out = -1;
    else if (size == 0 || rest->data[0] < '0' || rest->data[0] > '9' || !tl_sv_to_i64((struct tl_sv){rest->data, size}, out))
        return false;
    *rest = from(*rest, size < rest->size ? size + 1 : size);
    return true;
}

/* The next quote at or behind `at` that no backslash escapes; text.size when there is none. */
static size_t find_quote(struct tl_sv text, size_t at)
{
    while (at < text.size) {
        const char *quote = memchr(text.data + at, '"', text.size - at);
        size_t place, slashes = 0;

        if (quote == NULL)
            break;
        place = (size_t)(quote - text.data);
        while (slashes < place && text.data[place - 1 - slashes] == '\\')
            slashes++;
        if (slashes % 2 == 0)
            return place;
        at = place + 1;
    }
    return text.size;
}

static bool ends_request(struct tl_sv behind)
{
    if (behind.size < 2 || behind.data[0] != ' ')
        return false;
    if (behind.data[1] == '-')
        return behind.size == 2 || behind.data[2] == ' ';
    for (size_t i = 1; i < 4; i++)
        if (i >= behind.size || behind.data[i] < '0' || behind.data[i] > '9')
            return false;
    return behind.size == 4 || behind.data[4] == ' ';
}

static bool ends_referrer(struct tl_sv behind)
{
    return behind.size >= 2 && behind.data[0] == ' ' && behind.data[1] == '"';
}

static bool ends_user_agent(struct tl_sv behind)
{
    return behind.size == 0 || behind.data[0] == ' ';
}

/* What stands between a quote and the next one that has the right thing behind it: servers of old did not escape quotes. */
static bool read_quoted(struct tl_sv *rest, bool (*ends)(struct tl_sv behind), struct tl_sv *out)
{
    if (rest->size == 0 || rest->data[0] != '"')
        return false;
    for (size_t quote = find_quote(*rest, 1); quote < rest->size; quote = find_quote(*rest, quote + 1)) {
        struct tl_sv behind = from(*rest, quote + 1);

        if (ends(behind)) {
            *out = (struct tl_sv){rest->data + 1, quote - 1};
            *rest = from(behind, behind.size > 0 ? 1 : 0);
            return true;
        }
    }
    return false;
}

/* "ident user [17/May/2015:10:05:03 +0000] ": a user may hold spaces and brackets, so the time is looked for. */
static bool read_time(struct tl_sv *rest, struct tl_sv *ident_user, int64_t *time_ms)
{
    for (size_t at = 0; at < rest->size;) {
        const char *bracket = memchr(rest->data + at, '[', rest->size - at);
        size_t place;

        if (bracket == NULL)
            return false;
        place = (size_t)(bracket - rest->data);
        if (rest->size - place >= TIME_BYTES + 3 && memcmp(bracket + 1 + TIME_BYTES, "] ", 2) == 0 && place > 0 &&
            bracket[-1] == ' ' && tl_time_from_access_log((struct tl_sv){bracket + 1, TIME_BYTES}, time_ms)) {
            *ident_user = (struct tl_sv){rest->data, place - 1};
            *rest = from(*rest, place + TIME_BYTES + 3);
            return true;
        }
        at = place + 1;
    }
    return false;
}

static struct tl_sv without_port(struct tl_sv vhost)
{
    size_t size = vhost.size;

    while (size > 0 && vhost.data[size - 1] >= '0' && vhost.data[size - 1] <= '9')
        size--;
    if (size > 1 && size < vhost.size && vhost.data[size - 1] == ':')
        return (struct tl_sv){vhost.data, size - 1};
    return vhost;
}

const char *tl_access_line_read(enum tl_access_format format, struct tl_sv text, struct tl_access_line *out)
{
    struct tl_sv rest = text, vhost = {NULL, 0}, ident_user, user;

    *out = (struct tl_access_line){.status = -1, .bytes = -1};
    if (format == TL_ACCESS_VHOST_COMBINED && !read_word(&rest, &vhost))
        return "no host at the beginning";
    if (!read_word(&rest, &out->ip))
        return format == TL_ACCESS_VHOST_COMBINED ? "no address behind the host" : "no address at the beginning";
    if (!read_time(&rest, &ident_user, &out->time_ms))
        return "no time like [17/May/2015:10:05:03 +0000]";
    user = ident_user;
    if (!read_word(&user, &ident_user) || user.size == 0)
        return format == TL_ACCESS_VHOST_COMBINED ? "a field is missing before the time; is it combined, without a host?"
                                                  : "a field is missing before the time";
    if (format != TL_ACCESS_VHOST_COMBINED && tl_sv_starts(user, TL_SV("- ")))
        return "a field too many before the time; is it vhost_combined?";
    if (!read_quoted(&rest, ends_request, &out->request))
        return "no request in quotes with a status behind it";
    if (!read_number(&rest, &out->status) || !read_number(&rest, &out->bytes))
        return "no status and size behind the request";
    if (format == TL_ACCESS_COMMON) {
        if (rest.size > 0)
            return "more fields than common has; is it combined?";
    } else {
        if (!read_quoted(&rest, ends_referrer, &out->referrer))
            return "no referrer in quotes with a user agent behind it";
        /* The last field may have been cut off on its way into the file. */
        if (!read_quoted(&rest, ends_user_agent, &out->user_agent))
            out->user_agent = from(rest, 1);
    }
    out->vhost = none_if_dash(without_port(vhost));
    out->ip = none_if_dash(out->ip);
    out->request = none_if_dash(out->request);
    out->referrer = none_if_dash(out->referrer);
    out->user_agent = none_if_dash(out->user_agent);
    return NULL;
}

bool tl_access_line_time(enum tl_access_format format, struct tl_sv text, int64_t *time_ms)
{
    struct tl_sv word, ident_user;

    return (format != TL_ACCESS_VHOST_COMBINED || read_word(&text, &word)) && read_word(&text, &word) &&
           read_time(&text, &ident_user, time_ms);
}

/* ---- the event ---- */

/* The text without its escapes: itself, or a copy in `scratch`, good until the next call. What is no escape stays as it is. */
static struct tl_sv unescaped(struct tl_sv text, struct tl_buf *scratch)
{
    static const char letters[] = "\"\\abfnrtv", values[] = "\"\\\a\b\f\n\r\t\v";
    char *to;
    size_t size = 0;

    if (text.size == 0 || memchr(text.data, '\\', text.size) == NULL)
        return text;
    tl_buf_clear(scratch);
    to = tl_buf_reserve(scratch, text.size);
    if (to == NULL)
        return text; /* the caller sees scratch->failed */
    for (size_t i = 0; i < text.size; i++) {
        const char *letter;
        int high, low;

        if (text.data[i] != '\\' || i + 1 == text.size) {
            to[size++] = text.data[i];
        } else if (text.data[i + 1] == 'x' && i + 3 < text.size && (high = tl_hex_digit(text.data[i + 2])) >= 0 &&
                   (low = tl_hex_digit(text.data[i + 3])) >= 0) {
            to[size++] = (char)(high * 16 + low);
            i += 3;
        } else if (text.data[i + 1] != '\0' && (letter = strchr(letters, text.data[i + 1])) != NULL) {
            to[size++] = values[letter - letters];
            i++;
        } else {
            to[size++] = '\\';
        }
    }
    return (struct tl_sv){to, size};
}

static void put_text(struct tl_buf *out, struct tl_sv text)
{
    if (text.data == NULL)
        tl_buf_put_sv(out, TL_SV("null"));
    else
        tl_buf_put_json(out, text);
}

static void put_number(struct tl_buf *out, int64_t number)
{
    if (number < 0)
        tl_buf_put_sv(out, TL_SV("null"));
    else
        tl_buf_put_decimal(out, (uint64_t)number);
}

/* "GET /path HTTP/1.1" -> GET, /path. */
static void split_request(struct tl_sv request, struct tl_sv *method, struct tl_sv *url)
{
    size_t size = 0, end;

    *method = (struct tl_sv){NULL, 0};
    *url = request;
    while (size < request.size && size < METHOD_BYTES_MAX &&
           ((request.data[size] >= 'A' && request.data[size] <= 'Z') || request.data[size] == '_' || request.data[size] == '-'))
        size++;
    if (size == 0 || size + 1 >= request.size || request.data[size] != ' ')
        return;
    *method = (struct tl_sv){request.data, size};
    *url = from(request, size + 1);
    end = url->size;
    while (end > 0 && url->data[end - 1] != ' ')
        end--;
    if (end > 1 && tl_sv_starts(from(*url, end), TL_SV("HTTP/")))
        url->size = end - 1;
}

void tl_access_event_put(struct tl_buf *out, struct tl_buf *scratch, const struct tl_access_line *line, struct tl_sv host,
                         const char id[TL_EVENT_ID_BYTES], struct tl_access_event *what)
{
    struct tl_sv method = {NULL, 0}, url = {NULL, 0};
    char time[TL_TIME_TEXT_BYTES];
    size_t time_size = tl_time_to_iso_z(line->time_ms, time);

    static_assert(sizeof "{\"event_id\":\"" - 1 == TL_EVENT_ID_AT, "the id stands where access_log.h says");
    tl_buf_put_sv(out, TL_SV("{\"event_id\":\""));
    tl_buf_put(out, id, TL_EVENT_ID_BYTES);
    tl_buf_put_sv(out, TL_SV("\",\"url\":"));
    if (line->request.data != NULL)
        split_request(unescaped(line->request, scratch), &method, &url);
    what->is_file_request = tl_file_request_is(url);
    put_text(out, url);
    tl_buf_put_sv(out, TL_SV(",\"method\":"));
    put_text(out, method);
    tl_buf_put_sv(out, TL_SV(",\"referrer\":"));
    put_text(out, unescaped(line->referrer, scratch));
    tl_buf_put_sv(out, TL_SV(",\"user_agent\":"));
    what->user_agent = unescaped(line->user_agent, scratch);
    put_text(out, what->user_agent);
    tl_buf_put_sv(out, TL_SV(",\"headers\":null,\"host\":"));
    put_text(out, line->vhost.data != NULL ? line->vhost : host);
    tl_buf_put_sv(out, TL_SV(",\"ip\":"));
    put_text(out, line->ip);
    tl_buf_put_sv(out, TL_SV(",\"event_time\":\""));
    tl_buf_put(out, time, time_size);
    tl_buf_put_sv(out, TL_SV("\",\"status\":"));
    put_number(out, line->status);
    tl_buf_put_sv(out, TL_SV(",\"bytes\":"));
    put_number(out, line->bytes);
    tl_buf_put_sv(out, TL_SV("}"));
    if (scratch->failed)
        out->failed = true;
}
