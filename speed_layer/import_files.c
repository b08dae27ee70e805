/* import_files.c: which files a command line means. See import_files.h. */
#include "speed_layer/import_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "base/sv.h"

enum { NUMBER_DIGITS_MAX = 5 };

/* ---- the order ---- */

enum age { DATED, NUMBERED, CURRENT };

/* "access.log-2026-03-01.gz": stem access.log, dated, digits 2026-03-01. */
struct name {
    enum age age;
    struct tl_sv stem, digits;
    bool packed;
};

static bool cut_end(struct tl_sv *text, const char *end)
{
    struct tl_sv suffix = tl_sv_from(end);

    if (text->size <= suffix.size || memcmp(text->data + text->size - suffix.size, end, suffix.size) != 0)
        return false;
    text->size -= suffix.size;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ".10", "-20260301", "-2026-03-01", "-20260301-1772323200" at the end. */
static bool cut_digits(struct tl_sv *text, struct tl_sv *digits)
{
    size_t at = text->size, count = 0;

    while (at > 0 && (is_digit(text->data[at - 1]) || text->data[at - 1] == '-'))
        at--;
    if (at == text->size || at == 0)
        return false;
    if (text->data[at] == '-') /* it separates */
        at++;
    else if (text->data[at - 1] != '.' && text->data[at - 1] != '_')
        return false;
    for (size_t i = at; i < text->size; i++)
        count += is_digit(text->data[i]);
    if (count == 0 || at < 2)
        return false;
    *digits = (struct tl_sv){text->data + at, text->size - at};
    text->size = at - 1;
    return true;
}

static struct name name_read(const char *text)
{
    static const char packings[][5] = {".gz", ".zst", ".bz2", ".xz", ".Z", ".zip"};
    static const char extensions[][7] = {".log", ".jsonl", ".json", ".txt"};
    struct name name = {.age = CURRENT, .stem = tl_sv_from(text)};
    bool found;

    for (size_t i = 0; i < TL_COUNT(packings) && !name.packed; i++)
        name.packed = cut_end(&name.stem, packings[i]);
    found = cut_digits(&name.stem, &name.digits);
    for (size_t i = 0; i < TL_COUNT(extensions) && !found; i++) {
        struct tl_sv before = name.stem;

        found = cut_end(&before, extensions[i]) && cut_digits(&before, &name.digits);
        if (found)
            name.stem = before;
    }
    if (found)
        name.age =
            name.digits.size <= NUMBER_DIGITS_MAX && memchr(name.digits.data, '-', name.digits.size) == NULL ? NUMBERED : DATED;
    return name;
}

/* By the digits alone: what comes first is the year, or the seconds. */
static int date_order(struct tl_sv a, struct tl_sv b)
{
    size_t i = 0, j = 0;

    for (;;) {
        while (i < a.size && !is_digit(a.data[i]))
            i++;
        while (j < b.size && !is_digit(b.data[j]))
            j++;
        if (i == a.size || j == b.size)
            return (j == b.size) - (i == a.size);
        if (a.data[i] != b.data[j])
            return a.data[i] < b.data[j] ? -1 : 1;
        i++;
        j++;
    }
}

static int number_order(struct tl_sv a, struct tl_sv b)
{
    int64_t one, two;

    if (!tl_sv_to_i64(a, &one) || !tl_sv_to_i64(b, &two))
        return 0; /* five digits at most, so they are numbers */
    return (one < two) - (one > two);
}

int tl_import_name_order(const char *a, const char *b)
{
    struct name one = name_read(a), two = name_read(b);
    int order = (int)one.age - (int)two.age;

    if (order == 0 && one.age != CURRENT)
        order = one.age == DATED ? date_order(one.digits, two.digits) : number_order(one.digits, two.digits);
    if (order == 0)
        order = tl_sv_cmp(one.stem, two.stem);
    if (order == 0)
        order = (int)one.packed - (int)two.packed;
    return order != 0 ? order : strcmp(a, b);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static int file_order(const void *a, const void *b)
{
    const struct tl_import_file *one = a, *two = b;

    return tl_import_name_order(last_part(one->path), last_part(two->path));
}

/* ---- the files ---- */

static enum tl_code add(struct tl_import_files *files, const char *path, int64_t bytes, bool from_folder, struct tl_err *err)
{
    struct tl_import_file *file;

    if (files->count == files->capacity) {
        size_t capacity = files->capacity == 0 ? 16 : files->capacity * 2;

        if (!TL_RESIZE(files->items, capacity))
            return tl_fail_memory(err, capacity * sizeof *file);
        files->capacity = capacity;
    }
    file = &files->items[files->count];
    *file = (struct tl_import_file){strdup(path), bytes > 0 ? (uint64_t)bytes : 0, from_folder};
    if (file->path == NULL)
        return tl_fail_memory(err, strlen(path));
    files->count++;
    files->bytes += file->bytes;
    return TL_OK;
}

/* Why it is passed over; NULL: it is not. */
static const char *why_not(const char *name, const char *path, struct stat *st)
{
    size_t size = strlen(name);

    if (name[0] == '.')
        return "hidden";
    if (name[size - 1] == '~')
        return "a backup";
    if (stat(path, st) != 0)
        return errno == ENOENT ? "it is gone, or a link to nothing" : NULL; /* what cannot be read will say so */
    return S_ISDIR(st->st_mode) ? "a folder inside" : !S_ISREG(st->st_mode) ? "no regular file" : NULL;
}

static enum tl_code add_folder(struct tl_import_files *files, const char *folder, struct tl_err *err)
{
    size_t first = files->count, end = strlen(folder);
    const struct dirent *entry;
    DIR *dir = opendir(folder);
    char *path = NULL;
    enum tl_code rc = TL_OK;

    if (dir == NULL)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot be read", folder);
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        struct stat st = {0};
        const char *why;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        free(path);
        if (asprintf(&path, "%s%s%s", folder, end > 0 && folder[end - 1] == '/' ? "" : "/", entry->d_name) < 0) {
            path = NULL;
            TL_TRY(tl_fail_memory(err, end + strlen(entry->d_name)));
        }
        why = why_not(entry->d_name, path, &st);
        if (why != NULL)
            tl_diag(TL_INFO, "%s: passed over: %s", path, why);
        else
            TL_TRY(add(files, path, st.st_size, true, err));
    }
    if (errno != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "%s: cannot be read", folder));
out:
    if (files->count > first)
        qsort(files->items + first, files->count - first, sizeof *files->items, file_order);
    closedir(dir);
    free(path);
    return rc;
}

enum tl_code tl_import_files_add(struct tl_import_files *files, const char *path, struct tl_err *err)
{
    struct stat st = {0};

    if (strcmp(path, "-") == 0)
        return add(files, path, 0, false, err);
    if (stat(path, &st) != 0 || access(path, R_OK) != 0)
        return tl_fail_errno(err, TL_ERR_IO, "%s: cannot be read", path);
    if (S_ISDIR(st.st_mode))
        return add_folder(files, path, err);
    return add(files, path, S_ISREG(st.st_mode) ? st.st_size : 0, false, err);
}

void tl_import_files_done(struct tl_import_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->items[i].path);
    free(files->items);
}
