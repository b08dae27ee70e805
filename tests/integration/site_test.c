/* site_test.c: real sites on Node: the package for Express and Next.js (deploy/express/test), and the demo site behind intercept (tests/site). What
 * they are is JavaScript, and so are their tests, by Node's own runner; here they are run, and their words are shown where one fails.
 *
 * TALLY_SITE names where the site was built (make build/demo_site); where it is not set there is no Node.js, or an old one. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "support/run.h"

enum { SITE_TIMEOUT_S = 120 };

#ifndef TL_SANITIZED /* it is Node's programs that are tested, and intercept has tests of its own */

/* A test that fails leaves its servers open; the runner ends nevertheless. */
static void node_tests(const char *folder, const char *files)
{
    char command[1024], part[4096];
    struct tl_buf said;
    FILE *node;
    size_t size;
    int status;

    tl_buf_init(&said, 0);
    snprintf(command, sizeof command, "cd '%s' && timeout %d node --test --test-force-exit --test-reporter=tap %s 2>&1", folder,
             SITE_TIMEOUT_S, files);
    node = popen(command, "r"); /* NOLINT: the command is the test's own */
    cr_assert_not_null(node);
    while ((size = fread(part, 1, sizeof part, node)) > 0)
        tl_buf_put(&said, part, size);
    status = pclose(node);
    tl_buf_put(&said, "", 1);
    cr_assert(status == 0 && strstr(said.data, "\n# pass 0\n") == NULL, "%s: %s", command, said.data);
    tl_buf_done(&said);
}

static const char *site(void)
{
    const char *folder = getenv("TALLY_SITE");

    if (folder == NULL || folder[0] == '\0')
        cr_skip_test("TALLY_SITE is not set: Node.js 20 or newer is needed for it");
    return folder;
}

Test(site, the_package_for_node_sites_passes_its_tests, .timeout = SITE_TIMEOUT_S + 10)
{
    char folder[1024];

    snprintf(folder, sizeof folder, "%s/express", site());
    node_tests(folder, "test/*.test.js");
}

Test(site, a_next_site_is_logged_by_intercept_and_by_its_own_middleware, .timeout = SITE_TIMEOUT_S + 10)
{
    (void)site();
    node_tests("tests/site", "site.test.js");
}
#endif
