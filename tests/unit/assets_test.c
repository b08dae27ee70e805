/* assets_test.c: the dashboard's files are what lies in its folder, and all there that they ask for; the page has nothing that its policy forbids. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "serving/assets.h"

/* Of what is text, up to the end of its bytes. */
static const char *find_in(const struct tl_asset *asset, const char *from, const char *what)
{
    const char *text = (const char *)asset->bytes;

    return memmem(from, asset->size - (size_t)(from - text), what, strlen(what));
}

/* Each file that follows `word` in an asset, as in src="app.js" and from './views.js'. Returns how many. */
static int check_named(const struct tl_asset *asset, const char *word, const char *ends)
{
    int count = 0;

    for (const char *at = (const char *)asset->bytes; (at = find_in(asset, at, word)) != NULL; count++) {
        char path[80] = "/";

        at += strlen(word);
        strncat(path, at, (size_t)tl_min_i64((int64_t)strcspn(at, ends), (int64_t)sizeof path - 2));
        if (strcmp(path, "/openapi.json") != 0 && strcmp(path, "/#main") != 0)
            cr_expect_not_null(tl_asset_find(tl_sv_from(path)), "%s asks for %s", asset->path, path);
    }
    return count;
}

static const struct tl_asset *must_find(const char *path)
{
    const struct tl_asset *asset = tl_asset_find(tl_sv_from(path));

    cr_assert_not_null(asset, "%s", path);
    return asset;
}

Test(assets, the_page_and_all_that_it_asks_for)
{
    static const char *const modules[] = {"/app.js",   "/chart.js", "/feed.js",  "/panels.js", "/source.js",
                                          "/table.js", "/text.js",  "/trust.js", "/views.js"};
    const struct tl_asset *page = must_find("/");

    cr_assert_eq(page, must_find("/index.html"));
    cr_assert_str_eq(page->type, "text/html; charset=utf-8");
    cr_assert_str_eq(must_find("/uplot.js")->type, "text/javascript; charset=utf-8");
    cr_assert_geq(check_named(page, "src=\"", "\""), 3);
    cr_assert_geq(check_named(page, "href=\"", "\""), 4);
    for (size_t m = 0; m < TL_COUNT(modules); m++)
        check_named(must_find(modules[m]), "from './", "'");
    cr_assert_geq(check_named(must_find("/sign_in.html"), "src=\"", "\""), 2);
    cr_assert_geq(check_named(must_find("/sign_in.html"), "href=\"", "\""), 2);
}

Test(assets, nothing_stands_in_the_page_that_its_policy_forbids)
{
    const struct tl_asset *page = must_find("/");

    for (const char *at = (const char *)page->bytes; (at = find_in(page, at, "<script")) != NULL; at++)
        cr_expect_eq(strncmp(at, "<script src=\"", 13), 0);
    cr_expect_null(find_in(page, (const char *)page->bytes, "<style"));
    cr_expect_null(find_in(page, (const char *)page->bytes, " style="));
    cr_expect_null(find_in(page, (const char *)page->bytes, " onload="));
    cr_expect_null(find_in(page, (const char *)page->bytes, "http"));
}

struct file_case {
    char path[24];
};

ParameterizedTestParameters(assets, whole)
{
    static struct file_case cases[] = {{"/index.html"}, {"/app.css"}, {"/app.js"}, {"/icon.svg"}, {"/panels.js"}};

    return cr_make_param_array(struct file_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct file_case *c, assets, whole)
{
    const struct tl_asset *asset = must_find(c->path);
    char path[80], byte;
    size_t size = 0;
    FILE *file;

    snprintf(path, sizeof path, "serving/dashboard%s", c->path);
    file = fopen(path, "rb");
    cr_assert_not_null(file, "%s", path);
    for (; fread(&byte, 1, 1, file) == 1; size++)
        cr_assert(size < asset->size && (char)asset->bytes[size] == byte, "%s at %zu", path, size);
    cr_assert_eq(size, asset->size, "%s", path);
    fclose(file);
}

ParameterizedTestParameters(assets, not_there)
{
    static struct file_case cases[] = {{""},           {"index.html"}, {"/index.html/"}, {"//index.html"},
                                       {"/../app.js"}, {"/APP.JS"},    {"/app.js?x"},    {"/package.json"}};

    return cr_make_param_array(struct file_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct file_case *c, assets, not_there)
{
    cr_assert_null(tl_asset_find(tl_sv_from(c->path)));
}
