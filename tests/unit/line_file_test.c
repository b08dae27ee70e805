/* line_file_test.c: lines are turned over by size, whole, and a file that could not be written is tried anew. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "main/line_file.h"
#include "support/run.h"

static char dir[RUN_DIR_BYTES], path[200];

static void folder_open(void)
{
    run_folder_make(dir);
    snprintf(path, sizeof path, "%s/tally.log", dir);
}

static void folder_close(void)
{
    run_folder_remove(dir);
}

TestSuite(line_file, .init = folder_open, .fini = folder_close);

static const char *text_of(const char *suffix)
{
    static char text[200];
    char name[300];
    size_t size;
    FILE *file;

    snprintf(name, sizeof name, "%s%s", path, suffix);
    file = fopen(name, "r");
    if (file == NULL)
        return NULL;
    size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    return text;
}

static void put(struct tl_line_file *file, const char *lines)
{
    struct tl_err err;

    cr_assert_eq(tl_line_file_write(file, tl_sv_from(lines), &err), TL_OK, "%s", err.message);
}

Test(line_file, is_turned_over_before_it_would_be_too_large)
{
    struct tl_line_file *file;
    struct tl_err err;

    cr_assert_eq(tl_line_file_open(path, 20, 2, &file, &err), TL_OK, "%s", err.message);
    put(file, "one line, 19 bytes\n");
    put(file, "a\n");
    cr_expect_str_eq(text_of(""), "a\n");
    cr_expect_str_eq(text_of(".1"), "one line, 19 bytes\n");
    put(file, "two lines,\nin one block that is too large\n");
    cr_expect_str_eq(text_of(""), "two lines,\nin one block that is too large\n");
    cr_expect_str_eq(text_of(".1"), "a\n");
    cr_expect_str_eq(text_of(".2"), "one line, 19 bytes\n");
    put(file, "b\n");
    cr_expect_str_eq(text_of(".2"), "a\n");
    cr_expect_null(text_of(".3"));
    tl_line_file_close(file);
    cr_assert_eq(tl_line_file_open(path, 20, 2, &file, &err), TL_OK, "%s", err.message);
    put(file, "c\n");
    cr_expect_str_eq(text_of(""), "b\nc\n", "it goes on where it was");
    tl_line_file_close(file);
}

Test(line_file, a_failure_is_told_and_the_next_lines_are_tried)
{
    struct tl_line_file *file;
    struct tl_err err;
    char older[300];

    cr_assert_eq(tl_line_file_open(path, 20, 1, &file, &err), TL_OK, "%s", err.message);
    put(file, "one line, 19 bytes\n");
    snprintf(older, sizeof older, "%s.1", path);
    cr_assert_eq(mkdir(older, 0700), 0);
    cr_expect_eq(tl_line_file_write(file, TL_SV("more\n"), &err), TL_ERR_IO);
    cr_expect_not_null(strstr(err.message, "cannot rename "), "%s", err.message);
    cr_assert_eq(rmdir(older), 0);
    put(file, "again\n");
    cr_expect_str_eq(text_of(""), "again\n");
    tl_line_file_close(file);
    snprintf(older, sizeof older, "%s/none/tally.log", dir);
    cr_expect_eq(tl_line_file_open(older, 20, 1, &file, &err), TL_ERR_IO);
    cr_expect_not_null(strstr(err.message, older), "%s", err.message);
}
