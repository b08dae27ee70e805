/* intercept_run.c: `tally intercept` as a process. See intercept_run.h. */
#include "support/intercept_run.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { PATIENCE_MS = 20000 };

const char *intercept_url(const char *scheme, uint16_t port)
{
    static char texts[8][64];
    static unsigned next;
    char *text = texts[next++ % 8];

    snprintf(text, sizeof texts[0], "%s://%s:%u", scheme, strcmp(scheme, "https") == 0 ? "localhost" : "127.0.0.1",
             (unsigned)port);
    return text;
}

static uint16_t port_said(const struct intercept *intercept)
{
    static const char said[] = " intercept listens url=";
    int64_t until_ms = tl_clock_monotonic_ms() + PATIENCE_MS;

    while (tl_clock_monotonic_ms() < until_ms) {
        char *text = run_err_so_far(&intercept->run);
        const char *at = strstr(text, said);
        long port = 0;

        if (at != NULL && strchr(at, '\n') != NULL)
            port = strtol(strchr(at + sizeof said - 1, ':') + 1, NULL, 10);
        free(text);
        if (port > 0)
            return (uint16_t)port;
        tl_clock_sleep_ms(2);
    }
    cr_assert_fail("it does not say where it listens");
    return 0;
}

void intercept_start(struct intercept *intercept, const struct site *site, const char *const *args)
{
    run_folder_make(intercept->dir);
    intercept_restart(intercept, site, args);
}

void intercept_restart(struct intercept *intercept, const struct site *site, const char *const *args)
{
    const char *all[RUN_ARGS_MAX];
    size_t count = 0;

    all[count++] = "intercept";
    all[count++] = "--data";
    all[count++] = intercept->dir;
    all[count++] = "--listen";
    all[count++] = "127.0.0.1:0";
    all[count++] = "--threads";
    all[count++] = "1";
    if (site != NULL) {
        all[count++] = "--upstream";
        all[count++] = intercept_url("http", site_port(site));
    }
    while (*args != NULL)
        all[count++] = *args++;
    all[count] = NULL;
    run_start(&intercept->run, all);
    intercept->port = port_said(intercept);
}

void intercept_stop(struct intercept *intercept)
{
    run_signal(&intercept->run, SIGTERM);
    run_wait(&intercept->run);
    cr_assert_eq(intercept->run.status, 0, "%s", intercept->run.err);
    run_done(&intercept->run);
    run_folder_remove(intercept->dir);
}

size_t intercept_peak(const struct intercept *intercept)
{
    char path[64], line[256];
    size_t kib = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/status", (int)intercept->run.pid);
    file = fopen(path, "r");
    cr_assert_not_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmHWM: %zu kB", &kib) == 1)
            break;
    fclose(file);
    cr_assert_gt(kib, 0);
    return kib << 10;
}

int intercept_get(const struct intercept *intercept, const char *target, struct wire_body *body)
{
    struct wire_body unused;
    struct wire wire;
    int status;

    wire_open(&wire, intercept->port);
    wire_say(&wire, "GET %s HTTP/1.1\r\nHost: www.example.com\r\n\r\n", target);
    *(body != NULL ? body : &unused) = wire_answer(&wire);
    status = wire.status;
    wire_close(&wire);
    return status;
}

int intercept_logged(const struct intercept *intercept, unsigned partition, const char *words)
{
    sqlite3 *database;
    sqlite3_stmt *statement = NULL;
    char path[RUN_DIR_BYTES + 32], sql[120];
    int count = 0;

    snprintf(path, sizeof path, "%s/log.db", intercept->dir);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM entries_1_%u WHERE instr(CAST(value AS TEXT), ?) > 0", partition);
    if (sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(database, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_bind_text(statement, 1, words, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        count = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return count;
}

bool intercept_has_logged(const struct intercept *intercept, const char *words, int count, int timeout_ms)
{
    int64_t until_ms = tl_clock_monotonic_ms() + timeout_ms;

    while (intercept_logged(intercept, 0, words) < count) {
        if (tl_clock_monotonic_ms() >= until_ms)
            return false;
        tl_clock_sleep_ms(10);
    }
    return true;
}
