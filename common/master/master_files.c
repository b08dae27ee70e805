/* master_files.c: names and places of the master record's files, and reading and writing them whole. */
#include "master/master_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names ---- */

enum tl_code tl_master_topic_encode(struct tl_sv topic, char out[TL_MASTER_TOPIC_BYTES_MAX + 1], struct tl_err *err)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t size = 0;

    if (topic.size == 0)
        return tl_fail(err, TL_ERR_USAGE, "a topic without a name has no place in the master record");
    for (size_t i = 0; i < topic.size; i++) {
        unsigned char c = (unsigned char)topic.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     ((c == '.' || c == '_') && i > 0);

        if (size + (plain ? 1 : 3) > TL_MASTER_TOPIC_BYTES_MAX)
            return tl_fail(
                err, TL_ERR_LIMIT,
                "topic '%.*s': its name is too long for the master record; %d bytes (3 for each that must be encoded) would do",
                TL_SV_ARG(topic), TL_MASTER_TOPIC_BYTES_MAX);
        if (plain) {
            out[size++] = (char)c;
        } else {
            out[size++] = '%';
            out[size++] = hex[c >> 4];
            out[size++] = hex[c & 15];
        }
    }
    out[size] = '\0';
    return TL_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool tl_master_topic_decode(struct tl_sv encoded, char *out, size_t *size)
{
    char again[TL_MASTER_TOPIC_BYTES_MAX + 1];
    size_t count = 0;

    for (size_t i = 0; i < encoded.size; i++) {
        int high, low;

        if (encoded.data[i] != '%') {
            out[count++] = encoded.data[i];
            continue;
        }
        high = i + 2 < encoded.size ? hex_digit(encoded.data[i + 1]) : -1;
        low = i + 2 < encoded.size ? hex_digit(encoded.data[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        out[count++] = (char)(high << 4 | low);
        i += 2;
    }
    *size = count;
    return tl_master_topic_encode((struct tl_sv){out, count}, again, NULL) == TL_OK && tl_sv_eq(tl_sv_from(again), encoded);
}

/* Like snprintf, but a path that does not fit is an error. */
enum tl_code tl_master_path(char out[PATH_MAX], struct tl_err *err, const char *fmt, ...)
{
    va_list args;
    int size;

    va_start(args, fmt);
    size = vsnprintf(out, PATH_MAX, fmt, args);
    va_end(args);
    if (size < 0 || size >= PATH_MAX)
        return tl_fail(err, TL_ERR_LIMIT, "%.200s...: the path is longer than %d bytes", out, PATH_MAX - 1);
    return TL_OK;
}

static bool digits_read(struct tl_sv text, int64_t max, int64_t *out)
{
    return text.size > 0 && text.data[0] >= '0' && text.data[0] <= '9' && tl_sv_to_i64(text, out) && *out <= max;
}

bool tl_master_partition_of(const char *name, uint32_t *partition)
{
    struct tl_sv text = tl_sv_from(name), prefix = TL_SV("partition=");
    char spelled[32];
    int64_t number;

    if (!tl_sv_starts(text, prefix) ||
        !digits_read((struct tl_sv){text.data + prefix.size, text.size - prefix.size}, UINT32_MAX, &number))
        return false;
    snprintf(spelled, sizeof spelled, "partition=%" PRId64, number);
    *partition = (uint32_t)number;
    return tl_sv_eq(text, tl_sv_from(spelled));
}

/* "<topic>+<n>+<first offset><suffix>"; true only where the numbers are spelled as we spell them. */
bool tl_master_name_fits(struct tl_sv name, const char *topic, uint32_t partition, const char *suffix, int64_t *first_offset)
{
    char start[NAME_MAX + 32], whole[NAME_MAX + 64];
    struct tl_sv prefix;
    int64_t offset;

    snprintf(start, sizeof start, "%s+%" PRIu32 "+", topic, partition);
    prefix = tl_sv_from(start);
    if (!tl_sv_starts(name, prefix) || !tl_sv_ends(name, tl_sv_from(suffix)) || name.size <= prefix.size + strlen(suffix))
        return false;
    if (!digits_read((struct tl_sv){name.data + prefix.size, name.size - prefix.size - strlen(suffix)}, INT64_MAX, &offset))
        return false;
    snprintf(whole, sizeof whole, "%s%010" PRId64 "%s", start, offset, suffix);
    *first_offset = offset;
    return tl_sv_eq(name, tl_sv_from(whole));
}

/* ---- files ---- */

enum tl_code tl_master_write_all(int fd, const char *data, size_t size, const char *path, struct tl_err *err)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return tl_fail_errno(err, TL_ERR_IO, "%s: cannot write", path);
        if (written == 0)
            return tl_fail(err, TL_ERR_IO, "%s: cannot write: the disk takes no more bytes", path);
        data += written;
        size -= (size_t)written;
    }
    return TL_OK;
}

/* Exactly `size` bytes from `position` on. */
enum tl_code tl_master_read_at(int fd, char *data, uint64_t size, uint64_t position, const char *path, struct tl_err *err)
{
    uint64_t done = 0;

    while (done < size) {
        ssize_t got = pread(fd, data + done, (size_t)(size - done), (off_t)(position + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return tl_fail_errno(err, TL_ERR_IO, "%s: cannot read", path);
        if (got == 0)
            return tl_fail(err, TL_ERR_CORRUPT, "%s: is cut off: it ends before byte %" PRIu64, path, position + size);
        done += (uint64_t)got;
    }
    return TL_OK;
}

enum tl_code tl_master_folder_sync(const char *path, struct tl_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed;

    if (fd < 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot open the folder", path);
    failed = fsync(fd);
    if (failed != 0)
        tl_fail_errno(err, TL_ERR_IO, "%s: cannot fsync the folder", path);
    close(fd);
    return failed != 0 ? TL_ERR_IO : TL_OK;
}

/* Makes one folder, and makes it stay. */
enum tl_code tl_master_folder_make(const char *path, struct tl_err *err)
{
    char parent[PATH_MAX];
    char *slash;

    if (mkdir(path, 0777) != 0)
        return errno == EEXIST ? TL_OK : tl_fail_errno(err, TL_ERR_IO, "%s: cannot make the folder", path);
    snprintf(parent, sizeof parent, "%s", path);
    slash = strrchr(parent, '/');
    if (slash == NULL)
        return tl_master_folder_sync(".", err);
    slash[slash == parent ? 1 : 0] = '\0';
    return tl_master_folder_sync(parent, err);
}

/* DIR, DIR/topics and DIR/topics/<topic>. */
enum tl_code tl_master_topic_folder(const char *data_dir, const char *topic, char out[PATH_MAX], struct tl_err *err)
{
    enum tl_code rc;

    TL_TRY(tl_master_folder_make(data_dir, err));
    TL_TRY(tl_master_path(out, err, "%s/topics", data_dir));
    TL_TRY(tl_master_folder_make(out, err));
    TL_TRY(tl_master_path(out, err, "%s/topics/%s", data_dir, topic));
    TL_TRY(tl_master_folder_make(out, err));
out:
    return rc;
}

/* Calls `each` for every name in the folder. A folder that is not there is empty. */
enum tl_code tl_master_folder_walk(const char *folder, enum tl_code (*each)(void *ctx, const char *name, struct tl_err *err),
                                   void *ctx, struct tl_err *err)
{
    DIR *dir = opendir(folder);
    enum tl_code rc = TL_OK;

    if (dir == NULL)
        return errno == ENOENT ? TL_OK : tl_fail_errno(err, TL_ERR_IO, "%s: cannot open the folder", folder);
    for (;;) {
        struct dirent *entry;

        errno = 0;
        entry = readdir(dir);
        if (entry == NULL && errno != 0)
            TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot list the folder", folder));
        if (entry == NULL)
            break;
        TL_TRY(each(ctx, entry->d_name, err));
    }
out:
    closedir(dir);
    return rc;
}
