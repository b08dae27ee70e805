/* systemd_test.c: the units of deploy/systemd: what systemd says of them, and the program within what they allow. */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/base.h"
#include "support/pipeline.h"
#include "support/supervisor.h"
#include "support/visits.h"

static struct pipeline p;

static void open_pipeline(void)
{
    pipeline_open(&p, visits_views);
}

static void close_pipeline(void)
{
    pipeline_close(&p);
}

TestSuite(systemd, .init = open_pipeline, .fini = close_pipeline, .timeout = 60);

/* ---- the units ---- */

/* What `command` prints; a line of sh. The caller frees. */
static char *output_of(const char *command)
{
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): what an operator would type */
    char *text = calloc(1, 1 << 16);

    cr_assert_not_null(pipe);
    cr_assert_lt(fread(text, 1, (1 << 16) - 1, pipe), (1 << 16) - 1);
    pclose(pipe);
    return text;
}

#define NEED_ANALYZE()                                                                                                           \
    do {                                                                                                                         \
        if (access("/usr/bin/systemd-analyze", X_OK) != 0)                                                                       \
            cr_skip("systemd-analyze is not here");                                                                              \
    } while (0)

static const char *const parts[] = {"intercept", "speed", "archive", "serve", "batch", "reconcile"};

/* The units in p.dir, where everything that they run is there. */
static void copy_units(void)
{
    char command[500];

    snprintf(command, sizeof command,
             "for u in deploy/systemd/*.service deploy/systemd/*.timer deploy/systemd/*.socket deploy/systemd/*.target; do "
             "sed 's#/usr/local/[a-z/.-]*#/bin/true#' $u >%s/${u##*/}; done",
             p.dir);
    cr_assert_eq(system(command), 0); /* NOLINT(cert-env33-c): a line for sh */
}

Test(systemd, the_units_are_what_systemd_takes)
{
    char command[600], *said;

    NEED_ANALYZE();
    copy_units();
    snprintf(
        command, sizeof command,
        "cd %s && systemd-analyze verify --man=no tally.target tally-*.socket tally-*.timer $(ls tally-*.service | grep -v @) "
        "tally-mail@tally-reconcile.service.service 2>&1",
        p.dir);
    said = output_of(command);
    cr_expect_str_eq(said, "");
    free(said);
}

/* Each part at most 1.5, and all in the same way. */
Test(systemd, each_part_is_hardened)
{
    char command[600], *said, *shared, *first = NULL;

    NEED_ANALYZE();
    copy_units();
    for (size_t i = 0; i < TL_COUNT(parts); i++) {
        snprintf(command, sizeof command, "sed -n '/^# ---- the same/,$p' deploy/systemd/tally-%s.service", parts[i]);
        shared = output_of(command);
        cr_expect(strlen(shared) > 500 && (first == NULL || strcmp(shared, first) == 0), "tally-%s.service:\n%s", parts[i],
                  shared);
        if (first == NULL)
            first = shared;
        else
            free(shared);
        snprintf(
            command, sizeof command,
            "cd %s && systemd-analyze security --offline=yes --no-pager --threshold=15 tally-%s.service >said 2>&1 || cat said",
            p.dir, parts[i]);
        said = output_of(command);
        cr_expect_str_eq(said, "", "tally-%s.service: %s", parts[i], said);
        free(said);
    }
    free(first);
}

/* The target has them all, and they go when it goes. */
Test(systemd, the_target_starts_all_parts)
{
    static const char *const wanted[] = {"tally-intercept.socket", "tally-intercept.service", "tally-speed.service",
                                         "tally-archive.service",  "tally-serve.service",     "tally-batch.timer"};
    char *said = output_of("grep ^Wants= deploy/systemd/tally.target"), command[200], *lines;

    for (size_t i = 0; i < TL_COUNT(wanted); i++) {
        cr_expect_not_null(strstr(said, wanted[i]), "%s", wanted[i]);
        snprintf(command, sizeof command, "grep -c '^PartOf=tally.target' deploy/systemd/%s", wanted[i]);
        lines = output_of(command);
        cr_expect_str_eq(lines, "1\n", "%s", wanted[i]);
        free(lines);
    }
    free(said);
}

/* The words of NAME_OPTIONS: each option is one of the command's. */
static void expect_options(const char *part, const char *words)
{
    char command[1000], *help, *said;

    snprintf(command, sizeof command, "'%s' %s --help 2>&1", run_program(), part);
    help = output_of(command);
    if (strstr(help, "there is no command") == NULL) {
        snprintf(command, sizeof command,
                 "for o in %.700s; do case $o in --*) '%.150s' %s --help | grep -q -e \"$o \" || echo $o;; esac; done; echo end",
                 words, run_program(), part);
        said = output_of(command);
        cr_expect_str_eq(said, "end\n", "%s knows no option %s", part, said);
        free(said);
    }
    free(help);
}

/* What tally.env sets, or would, is an option of all parts, or words that a unit hands on to its part. */
Test(systemd, the_environment_file_is_understood)
{
    char line[600], command[1000], part[20], *said;
    FILE *file = fopen("deploy/systemd/tally.env", "re");
    int settings = 0;

    cr_assert_not_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        char *name = line[0] == '#' ? line + 1 : line;
        size_t size = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

        if (size == 0 || name[size] != '=')
            continue;
        name[size] = '\0';
        name[size + 1 + strcspn(name + size + 1, "\n")] = '\0';
        settings++;
        if (strncmp(name, "TALLY_KAFKA_", 12) == 0)
            continue;
        if (strncmp(name, "TALLY_", 6) == 0)
            snprintf(command, sizeof command, "n=$(echo %.60s | tr A-Z_ a-z-); '%.400s' speed --help | grep -e \"--$n \"",
                     name + 6, run_program());
        else
            snprintf(command, sizeof command, "grep -l -e ' \\$%.60s$' -e '{%.60s:' deploy/systemd/*", name, name);
        said = output_of(command);
        cr_expect_str_neq(said, "", "nobody knows %s", name);
        if (sscanf(said, "deploy/systemd/tally-%19[a-z].service", part) == 1)
            expect_options(part, name + size + 1);
        free(said);
    }
    fclose(file);
    cr_expect_gt(settings, 15);
}

/* ---- the program within what a unit allows ---- */

/* The numbers of the calls that the filter of this unit lets through. */
static size_t allowed_calls(const char *unit, int numbers[1024])
{
    char command[1200], *said, *at;
    size_t count = 0;

    snprintf(
        command, sizeof command,
        "members() { systemd-analyze syscall-filter --no-pager \"$1\" | tail -n +2 | sed 's/#.*//' | tr -d ' ' | grep . | "
        "while read -r m; do case $m in @*) members \"$m\";; *) echo \"$m\";; esac; done; }; "
        "for g in $(sed -n 's/^SystemCallFilter=@/@/p' deploy/systemd/%s); do members $g; done | sort -u >%s/yes; "
        "for g in $(sed -n 's/^SystemCallFilter=~@/@/p' deploy/systemd/%s); do members $g; done | sort -u >%s/no; "
        "comm -23 %s/yes %s/no | while read -r call; do echo \"#ifdef SYS_$call\"; echo \"=SYS_$call\"; echo '#endif'; done | "
        "{ echo '#include <sys/syscall.h>'; cat; } | cc -E -P - | sed -n 's/^= *//p'",
        unit, p.dir, unit, p.dir, p.dir, p.dir);
    said = output_of(command);
    for (at = said; *at != '\0' && count < 1024;) {
        char *end;

        numbers[count] = (int)strtol(at, &end, 10);
        cr_assert_neq(end, at, "%.40s", at);
        count++;
        at = end + strspn(end, "\n");
    }
    free(said);
    return count;
}

/* For this process and all that it starts: what stands in `unit` of the calls that are let through, as systemd would have it. */
static void confine(const char *unit)
{
    int numbers[1024];
    size_t count = allowed_calls(unit, numbers), at = 0;
    struct sock_filter *code = calloc(2 * count + 8, sizeof *code);
    struct sock_fprog program = {.filter = code};

    cr_assert(count > 200 && count < 1024, "%zu calls", count);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++) {
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)numbers[i], 0, 1);
        code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    program.len = (unsigned short)at;
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    free(code);
    errno = 0;
    cr_assert(chown(p.dir, 0, 0) == -1 && errno == EPERM, "the filter does not hold");
}

/* As MemoryDenyWriteExecute=yes: no memory is both, and none becomes code. False: this kernel (before 6.3) knows no such rule. */
static bool deny_write_execute(void)
{
    enum { SET_MDWE = 65, REFUSE_EXEC_GAIN = 1 };

    if (prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) != 0)
        return false;
    cr_assert_eq(mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
    return true;
}

static const char patterns[] =
    "CREATE TABLE events (event_id STRING, host STRING, n INT, event_time TIMESTAMP_LTZ(3),"
    " WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND) WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = "
    "'json',"
    " 'json.timestamp-format.standard' = 'ISO-8601');"
    "CREATE VIEW hits AS SELECT window_start, window_end, REGEXP_EXTRACT(host, '^[a-z]*([0-9])', 1) AS site, COUNT(*) AS hits "
    "FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' HOUR)) WHERE REGEXP(host, '[0-9]$') "
    "GROUP BY window_start, window_end, REGEXP_EXTRACT(host, '^[a-z]*([0-9])', 1);";

/* All that the units run, to the end. The caller frees the rows. */
static char *whole_story(void)
{
    pipeline_define(&p, patterns);
    TALLY(&p, 0, "speed", "--once");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", "now");
    TALLY(&p, 0, "reconcile", "--full");
    return pipeline_rows(&p, "hits", "merged");
}

/* With REGEXP and REGEXP_EXTRACT, which run as machine code where they may. */
Test(systemd, the_program_works_within_what_a_unit_allows)
{
    static const char *const units[] = {"tally-batch.service", "tally-intercept.service"};
    struct run run = {0};
    char *want, *got;

#ifdef TL_SANITIZED
    cr_skip("the sanitizers make calls of their own");
#endif
    NEED_ANALYZE();
    visits_append(p.data, 2, 100, 0, 3000);
    want = whole_story();
    cr_assert_gt(strlen(want), 100);
    snprintf(p.data, sizeof p.data, "%s/other", p.dir);
    visits_append(p.data, 2, 100, 0, 3000);
    for (size_t u = 0; u < TL_COUNT(units); u++)
        confine(units[u]);
    if (!deny_write_execute())
        fprintf(stderr, "[----] systemd: this kernel does not refuse memory that is written and executed\n");
    got = whole_story();
    cr_expect_str_eq(got, want);
    free(got);
    free(want);
    supervisor_open(p.dir);
    run_start(&run, (const char *const[]){"archive", "--follow", "--views", p.views, "--data", p.data, NULL});
    supervisor_expect_ready(&run);
    supervisor_expect_stopping(&run);
    cr_expect_null(strstr(run.err, "not permitted"), "%s", run.err);
    run_done(&run);
    run_start(&run, (const char *const[]){"intercept", "--data", p.data, "--upstream", "http://127.0.0.1:9", "--listen",
                                          "127.0.0.1:0", NULL});
    supervisor_expect_ready(&run);
    supervisor_expect_stopping(&run);
    cr_expect_null(strstr(run.err, "not permitted"), "%s", run.err);
    run_done(&run);
}
