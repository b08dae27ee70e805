/* postgres_schema.c: the schema of a store in PostgreSQL: its tally_ tables, made and migrated in one transaction each, and refused where they are
 * not ours.
 *
 * The columns are those that database_sqlite.c has, and so are their names, so that a statement serves both. What is of the two databases' own:
 * numbers are BIGINT, texts sort by their bytes (COLLATE "C"), and where a key is part of an identity, a unique index has what
 * TL_POSTGRES_INDEXED makes of it. Small tables that each tick writes have most of each page free: a new version of a row then
 * finds its place beside the old one, no index hears of it, and the page is tidied up by whoever comes by next, without a vacuum. What a year of windows
 * costs by these indexes stands in deploy/postgres/README.md (bench_store_year).
 *
 * tally_schema has the version. Its other number, `names`, changes when tables come to be called otherwise (a swap): whoever begins a
 * transaction that writes holds a weak lock on that table, and a swap waits for them with a strong one. */
#include "store/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/schema.h"

#define SCHEMA_VERSION 5
#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number
#define KEY TL_POSTGRES_INDEXED("\"key\"")
#define FREE " WITH (fillfactor = 20)"
#define OUTCOMES                                                                                                                 \
    "dead_letter BIGINT NOT NULL, future BIGINT NOT NULL, duplicate BIGINT NOT NULL, filtered BIGINT NOT NULL, rejected BIGINT " \
    "NOT NULL,"                                                                                                                  \
    " late BIGINT NOT NULL, partly_counted BIGINT NOT NULL, counted BIGINT NOT NULL"
#define RECONCILED_COUNTS                                                                                                        \
    "groups_count BIGINT NOT NULL, equal_count BIGINT NOT NULL, explained_count BIGINT NOT NULL, unexplained_count BIGINT NOT "  \
    "NULL, pending_count BIGINT NOT NULL"

/* clang-format off */
static const char *const sql_version_1[] = {
    "CREATE TABLE tally_schema (id SMALLINT PRIMARY KEY CHECK (id = 1), version BIGINT NOT NULL, names BIGINT NOT NULL)" FREE,
    "INSERT INTO tally_schema VALUES (1, 0, 1)",
    "COMMENT ON TABLE tally_schema IS 'tally: the version of this schema, and a number that changes when tables are renamed'",

    "CREATE TABLE tally_meta (name TEXT COLLATE \"C\" PRIMARY KEY, value BYTEA)",
    "COMMENT ON TABLE tally_meta IS 'tally: facts about the store, and the secrets that addresses are made unreadable with: for tally alone'",
    /* Default privileges may have given it to readers. */
    "DO $do$ DECLARE who RECORD; BEGIN FOR who IN SELECT DISTINCT a.grantee FROM pg_class AS c, aclexplode(c.relacl) AS a"
    " WHERE c.oid = 'tally_meta'::regclass AND a.grantee <> c.relowner LOOP EXECUTE 'REVOKE ALL ON tally_meta FROM '"
    " || CASE WHEN who.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(who.grantee)) END; END LOOP; END $do$",

    "CREATE TABLE tally_epoch (id SMALLINT PRIMARY KEY CHECK (id = 1), epoch BIGINT NOT NULL, owner TEXT NOT NULL,"
    " challenge BIGINT NOT NULL DEFAULT 0, answer BIGINT NOT NULL DEFAULT 0, change BIGINT NOT NULL DEFAULT 0)" FREE,
    "INSERT INTO tally_epoch (id, epoch, owner) VALUES (1, 0, '')",
    "COMMENT ON TABLE tally_epoch IS 'tally: which speed process may write; each tick and each publication locks this row first'",
    "CREATE TABLE tally_change (id SMALLINT PRIMARY KEY CHECK (id = 1), change BIGINT NOT NULL)" FREE,
    "INSERT INTO tally_change VALUES (1, 0)",
    "COMMENT ON TABLE tally_change IS 'tally: the number of the newest tick or publication; rows carry theirs in _change'",

    "CREATE TABLE tally_definition (definition BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, view TEXT COLLATE \"C\" NOT NULL,"
    " hash TEXT COLLATE \"C\" NOT NULL, state TEXT COLLATE \"C\" NOT NULL CHECK (state IN ('building', 'active', 'retired')),"
    " windowed BIGINT NOT NULL, lateness_ms BIGINT NOT NULL, normaliser BIGINT NOT NULL, topic TEXT COLLATE \"C\" NOT NULL,"
    " comment TEXT NOT NULL, normalised TEXT NOT NULL, state_beside BIGINT NOT NULL, cut_per_key BIGINT NOT NULL,"
    " key_tail_bytes BIGINT NOT NULL, ends_open BIGINT NOT NULL)",
    "CREATE INDEX tally_definition_view ON tally_definition (view, hash)",
    "COMMENT ON TABLE tally_definition IS 'tally: the views'' definitions; a changed one is built beside the active one, then swapped in'",
    "CREATE TABLE tally_column (definition BIGINT NOT NULL, position BIGINT NOT NULL, name TEXT COLLATE \"C\" NOT NULL,"
    " kind TEXT COLLATE \"C\" NOT NULL, role TEXT COLLATE \"C\" NOT NULL, PRIMARY KEY (definition, position))",
    "COMMENT ON TABLE tally_column IS 'tally: the columns of a definition'",
    "CREATE TABLE tally_progress (definition BIGINT PRIMARY KEY, final_ms BIGINT NOT NULL, boundary_ms BIGINT NOT NULL,"
    " speed_ready BIGINT NOT NULL, identity BIGINT NOT NULL)" FREE,
    "COMMENT ON TABLE tally_progress IS 'tally: rows of speed that end at or before final_ms are final; batch serves up to boundary_ms'",
    "CREATE TABLE tally_offset (definition BIGINT NOT NULL, partition BIGINT NOT NULL, next_offset BIGINT NOT NULL,"
    " watermark_ms BIGINT NOT NULL, judged_ms BIGINT NOT NULL, log_ms BIGINT NOT NULL, messages_count BIGINT NOT NULL,"
    " events_count BIGINT NOT NULL, last_offset BIGINT NOT NULL, fingerprint BIGINT NOT NULL, PRIMARY KEY (definition, partition))" FREE,
    "COMMENT ON TABLE tally_offset IS 'tally: how far speed has read each partition of the log'",
    /* A topic that was made again counts its offsets from 0: next_offset is no key. Hashes do not get smaller by compression. */
    "CREATE TABLE tally_dedup (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, lane BIGINT NOT NULL, topic TEXT COLLATE \"C\" NOT NULL,"
    " partition BIGINT NOT NULL, next_offset BIGINT NOT NULL, log_ms_max BIGINT NOT NULL, ids BYTEA NOT NULL)",
    "ALTER TABLE tally_dedup ALTER COLUMN ids SET STORAGE EXTERNAL",
    "CREATE INDEX tally_dedup_lane ON tally_dedup (lane, topic, partition, next_offset)",
    "COMMENT ON TABLE tally_dedup IS 'tally: ids of events that were counted, one blob a tick and partition'",
    "CREATE TABLE tally_outcome (definition BIGINT PRIMARY KEY, " OUTCOMES ")" FREE,
    "COMMENT ON TABLE tally_outcome IS 'tally: what became of the events that speed has read, per definition; they sum to the log'",
    "CREATE TABLE tally_ledger (definition BIGINT NOT NULL, run BIGINT NOT NULL, partition BIGINT NOT NULL, \"offset\" BIGINT NOT NULL,"
    " \"row\" BIGINT NOT NULL, cause BIGINT NOT NULL, flags BIGINT NOT NULL, watermark_ms BIGINT NOT NULL, event_time_ms BIGINT NOT NULL,"
    " function TEXT COLLATE \"C\", PRIMARY KEY (definition, run, partition, \"offset\", \"row\"))",
    "COMMENT ON TABLE tally_ledger IS 'tally: each event that was not simply counted, and why; run 0 is speed''s'",
    "CREATE TABLE tally_dead_letter (topic TEXT COLLATE \"C\" NOT NULL, partition BIGINT NOT NULL, \"offset\" BIGINT NOT NULL,"
    " \"row\" BIGINT NOT NULL, log_ms BIGINT NOT NULL, reason BIGINT NOT NULL, raw BYTEA NOT NULL,"
    " PRIMARY KEY (topic, partition, \"offset\", \"row\"))",
    "COMMENT ON TABLE tally_dead_letter IS 'tally: messages that are no events, byte for byte'",

    "CREATE TABLE tally_run (run BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, reason TEXT NOT NULL, started_ms BIGINT NOT NULL,"
    " ended_ms BIGINT, state TEXT COLLATE \"C\" NOT NULL CHECK (state IN ('staged', 'published', 'failed', 'rolled back')),"
    " published BIGINT UNIQUE, change BIGINT, normaliser BIGINT NOT NULL, versions TEXT NOT NULL)",
    "COMMENT ON TABLE tally_run IS 'tally: batch''s runs; published is the place in the order of publications'",
    "CREATE TABLE tally_run_range (run BIGINT NOT NULL, definition BIGINT NOT NULL, from_ms BIGINT NOT NULL, to_ms BIGINT NOT NULL,"
    " rows_count BIGINT NOT NULL, " OUTCOMES ", carry BYTEA NOT NULL, PRIMARY KEY (run, definition, from_ms))",
    "COMMENT ON TABLE tally_run_range IS 'tally: the ranges of time that a run computed, and what is open at their ends'",
    "CREATE TABLE tally_run_offset (run BIGINT NOT NULL, topic TEXT COLLATE \"C\" NOT NULL, partition BIGINT NOT NULL,"
    " next_offset BIGINT NOT NULL, PRIMARY KEY (run, topic, partition))",
    "COMMENT ON TABLE tally_run_offset IS 'tally: how far a run had read the archive'",
    "CREATE TABLE tally_pointer (definition BIGINT NOT NULL, to_ms BIGINT NOT NULL, from_ms BIGINT NOT NULL, run BIGINT NOT NULL,"
    " PRIMARY KEY (definition, to_ms))",
    "CREATE INDEX tally_pointer_run ON tally_pointer (definition, run)",
    "COMMENT ON TABLE tally_pointer IS 'tally: which run serves which range; a publication moves it'",
    "CREATE TABLE tally_cut (definition BIGINT NOT NULL, \"key\" BYTEA NOT NULL, cut_ms BIGINT NOT NULL)",
    "CREATE UNIQUE INDEX tally_cut_key ON tally_cut (definition, " KEY ")",
    "CREATE INDEX tally_cut_lowest ON tally_cut (definition, cut_ms)",
    "COMMENT ON TABLE tally_cut IS 'tally: keys whose sessions are served from an earlier instant on than boundary_ms'",
    "CREATE TABLE tally_open (run BIGINT NOT NULL, definition BIGINT NOT NULL, to_ms BIGINT NOT NULL, \"key\" BYTEA NOT NULL,"
    " start_ms BIGINT NOT NULL)",
    "CREATE UNIQUE INDEX tally_open_key ON tally_open (run, definition, to_ms, " KEY ")",
    "COMMENT ON TABLE tally_open IS 'tally: the earliest start of each key that a range carries over its end'",
    "CREATE TABLE tally_quarantine (definition BIGINT NOT NULL, run BIGINT NOT NULL, partition BIGINT NOT NULL, \"offset\" BIGINT NOT NULL,"
    " \"row\" BIGINT NOT NULL, check_name TEXT COLLATE \"C\" NOT NULL, event BYTEA NOT NULL,"
    " PRIMARY KEY (definition, run, partition, \"offset\", \"row\", check_name))",
    "COMMENT ON TABLE tally_quarantine IS 'tally: events that a check kept out of a run'",
    "CREATE TABLE tally_epoch_versions (epoch BIGINT PRIMARY KEY, versions TEXT NOT NULL)",
    "COMMENT ON TABLE tally_epoch_versions IS 'tally: the data files that speed worked with from an epoch on'",
    "INSERT INTO tally_meta VALUES ('normaliser', '" TEXT_OF(TL_NORMALISER_VERSION) "')",
};
static const char *const sql_version_2[] = {
    "CREATE TABLE tally_topic (number BIGINT PRIMARY KEY CHECK (number BETWEEN 1 AND 32767), topic TEXT COLLATE \"C\" NOT NULL UNIQUE)",
    "COMMENT ON TABLE tally_topic IS 'tally: topics of tables with topic-pattern; their partition n is number * 65536 + n elsewhere'",
    "ALTER TABLE tally_definition ADD COLUMN by_pattern BIGINT NOT NULL DEFAULT 0",
};
static const char *const sql_version_3[] = {
    "ALTER TABLE tally_run ADD COLUMN events_count BIGINT NOT NULL DEFAULT 0, ADD COLUMN bytes_count BIGINT NOT NULL DEFAULT 0,"
    " ADD COLUMN duplicates_count BIGINT NOT NULL DEFAULT 0, ADD COLUMN checks TEXT NOT NULL DEFAULT '',"
    " ADD COLUMN failure TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE tally_run_range ADD COLUMN blocked BIGINT NOT NULL DEFAULT 0, ADD COLUMN carry_in BIGINT, ADD COLUMN published BIGINT,"
    " ADD COLUMN pruned BIGINT NOT NULL DEFAULT 0",
    /* What a publication and a rollback look at, so that they need not pass the carries, which may be large. */
    "CREATE INDEX tally_run_range_definition ON tally_run_range (definition, run, from_ms, to_ms, published, pruned)",
    "CREATE INDEX tally_run_range_unpublished ON tally_run_range (run, definition, from_ms, to_ms, blocked) WHERE published IS NULL",
    "ALTER TABLE tally_progress ADD COLUMN pruned_ms BIGINT NOT NULL DEFAULT -9223372036854775808",
    "UPDATE tally_progress SET pruned_ms = boundary_ms",
    "CREATE TABLE tally_publication (published BIGINT PRIMARY KEY, run BIGINT NOT NULL, at_ms BIGINT NOT NULL, change BIGINT NOT NULL,"
    " accepted TEXT NOT NULL, who TEXT NOT NULL, reason TEXT NOT NULL, undone_ms BIGINT, undone_by TEXT NOT NULL DEFAULT '')",
    "COMMENT ON TABLE tally_publication IS 'tally: publications in their order; accepted: a check that a person overruled'",
    "INSERT INTO tally_publication SELECT published, run, ended_ms, change, '', '', '', NULL, '' FROM tally_run"
    " WHERE published IS NOT NULL AND state = 'published'",
    "UPDATE tally_run_range AS g SET published = r.published FROM tally_run AS r WHERE r.run = g.run AND r.state = 'published'",
    "CREATE TABLE tally_check_result (run BIGINT NOT NULL, definition BIGINT NOT NULL, from_ms BIGINT NOT NULL, to_ms BIGINT NOT NULL,"
    " check_name TEXT COLLATE \"C\" NOT NULL, violation TEXT COLLATE \"C\" NOT NULL CHECK (violation IN ('warn', 'drop row', 'fail update')),"
    " measure TEXT COLLATE \"C\" NOT NULL,"
    " passed BIGINT NOT NULL, violations_count BIGINT NOT NULL, measured DOUBLE PRECISION, low DOUBLE PRECISION, high DOUBLE PRECISION,"
    " detail TEXT NOT NULL, PRIMARY KEY (run, definition, from_ms, check_name))",
    "COMMENT ON TABLE tally_check_result IS 'tally: what the data-quality checks found in each range of a run'",
    "CREATE TABLE tally_run_unread (run BIGINT NOT NULL, topic TEXT COLLATE \"C\" NOT NULL, partition BIGINT NOT NULL,"
    " first_offset BIGINT NOT NULL, last_offset BIGINT NOT NULL, PRIMARY KEY (run, topic, partition, first_offset))",
    "COMMENT ON TABLE tally_run_unread IS 'tally: what a run has not read of the archive below its next_offset: files that were damaged or gone'",
    "CREATE TABLE tally_sealed (topic TEXT COLLATE \"C\" PRIMARY KEY, upto_ms BIGINT NOT NULL, sealed_ms BIGINT NOT NULL)",
    "COMMENT ON TABLE tally_sealed IS 'tally: up to where a topic''s record has been thinned out; ranges before it stay as they are'",
};
static const char *const sql_version_4[] = {
    ("CREATE TABLE tally_reconciliation (reconciliation BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, started_ms BIGINT NOT NULL,"
    " ended_ms BIGINT NOT NULL, from_ms BIGINT NOT NULL, to_ms BIGINT NOT NULL, compared_from_ms BIGINT NOT NULL,"
    " compared_to_ms BIGINT NOT NULL, cut BIGINT NOT NULL, exit_status BIGINT NOT NULL, " RECONCILED_COUNTS ", events_count BIGINT NOT NULL,"
    " normaliser BIGINT NOT NULL, versions TEXT NOT NULL, notes TEXT NOT NULL)"),
    "COMMENT ON TABLE tally_reconciliation IS 'tally: what reconciliations came to, the newest of them; notes: one a line'",
    ("CREATE TABLE tally_reconciliation_view (reconciliation BIGINT NOT NULL, view TEXT COLLATE \"C\" NOT NULL, definition BIGINT NOT NULL,"
    " from_ms BIGINT NOT NULL, to_ms BIGINT NOT NULL, boundary_ms BIGINT NOT NULL, runs TEXT NOT NULL, " RECONCILED_COUNTS ","
    " PRIMARY KEY (reconciliation, view))"),
    "COMMENT ON TABLE tally_reconciliation_view IS 'tally: the same, view by view; runs: of batch, that served what was compared'",
    ("CREATE TABLE tally_reconciliation_cause (reconciliation BIGINT NOT NULL, view TEXT COLLATE \"C\" NOT NULL, cause BIGINT NOT NULL,"
    " check_name TEXT COLLATE \"C\" NOT NULL, events_count BIGINT NOT NULL, PRIMARY KEY (reconciliation, view, cause, check_name))"),
    "COMMENT ON TABLE tally_reconciliation_cause IS 'tally: events behind the differences, by cause; view empty: over all views'",
    "CREATE INDEX tally_dead_letter_log ON tally_dead_letter (topic, log_ms)",
};
static const char *const sql_version_5[] = {
    /* Which store it is: whoever remembers change numbers must not take another one's for them. */
    "ALTER TABLE tally_change ADD COLUMN store BIGINT NOT NULL DEFAULT 0",
    "UPDATE tally_change SET store = (random() * 9223372036854775807)::bigint",
};
static const struct {
    const char *const *statements;
    size_t count;
} sql_versions[SCHEMA_VERSION] = {
    {sql_version_1, TL_COUNT(sql_version_1)},
    {sql_version_2, TL_COUNT(sql_version_2)},
    {sql_version_3, TL_COUNT(sql_version_3)},
    {sql_version_4, TL_COUNT(sql_version_4)},
    {sql_version_5, TL_COUNT(sql_version_5)},
};

static const char sql_look[] =
    "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = $1), (SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n"
    " ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', 'v', 'm', 'p', 'f')), (SELECT count(*) FROM pg_class AS c"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'tally_schema'),"
    " COALESCE((SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = $1), TRUE), current_user";
static const char sql_version[] =
    "SELECT s.version, (SELECT e.epoch + c.change FROM tally_epoch AS e JOIN tally_change AS c ON c.id = e.id WHERE NOT EXISTS"
    " (SELECT 1 FROM tally_run, tally_pointer, tally_run_range, tally_progress WHERE tally_run.run < 0)) FROM tally_schema AS s";
/* One after the other: the second finds what the first has made. */
static const char sql_lock[] = "SELECT pg_advisory_xact_lock(1951558516, hashtext($1))";
static const char sql_set_version[] = "UPDATE tally_schema SET version = " TEXT_OF(SCHEMA_VERSION);
/* clang-format on */

/* A question with the schema's name as its one parameter, or with none. */
static enum tl_code ask(struct tl_pg *pg, const char *sql, bool about_schema, PGresult **out, struct tl_err *err)
{
    static const char what[] = "look at the schema";
    const char *schema = pg->schema;
    enum tl_code rc;

    TL_TRY(tl_pg_make_room(pg, what, strlen(sql), err));
    if (!PQsendQueryParams(pg->conn, sql, about_schema ? 1 : 0, NULL, &schema, NULL, NULL, 1))
        TL_TRY(tl_pg_fail(pg, err, what, NULL));
    tl_pg_note(pg, NULL, what);
    TL_TRY(tl_pg_sent(pg, what, strlen(sql), err));
    TL_TRY(tl_pg_drain(pg, out, err));
out:
    return rc;
}

static enum tl_code fail_newer(const struct tl_pg *pg, int64_t version, struct tl_err *err)
{
    return tl_fail(
        err, TL_ERR_CORRUPT,
        "%s: a newer tally made this store (its schema is version %lld, this tally knows %d); use that tally, or another "
        "schema (--store ...?schema=NAME); nothing was written",
        pg->base.place, (long long)version, SCHEMA_VERSION);
}

/* *version: 0 where there is nothing yet. */
static enum tl_code look(struct tl_pg *pg, int64_t *version, bool *schema_there, struct tl_err *err)
{
    PGresult *result = NULL;
    int64_t objects, ours;
    bool may_use;
    char user[64];
    enum tl_code rc;

    *version = 0;
    TL_TRY(ask(pg, sql_look, true, &result, err));
    *schema_there = tl_pg_i64(result, 0, 0) != 0;
    objects = tl_pg_i64(result, 0, 1);
    ours = tl_pg_i64(result, 0, 2);
    may_use = tl_pg_i64(result, 0, 3) != 0;
    snprintf(user, sizeof user, "%s", PQgetvalue(result, 0, 4));
    PQclear(result);
    result = NULL;
    if (!may_use)
        TL_TRY(tl_fail(
            err, TL_ERR_IO,
            "%s: permission denied: role %s may not use the schema; deploy/postgres/roles.sql shows who needs which right",
            pg->base.place, user));
    if (ours == 0 && objects != 0)
        TL_TRY(
            tl_fail(err, TL_ERR_CORRUPT,
                    "%s: not a store of tally: the schema holds %lld tables and views of something else; name another one with "
                    "--store ...?schema=NAME; nothing was written",
                    pg->base.place, (long long)objects));
    if (ours == 0)
        goto out;
    TL_TRY(ask(pg, sql_version, false, &result, err));
    if (PQntuples(result) != 1 || PQgetisnull(result, 0, 0) || PQgetisnull(result, 0, 1) || tl_pg_i64(result, 0, 0) < 1)
        TL_TRY(tl_fail(err, TL_ERR_CORRUPT, "%s: the schema is damaged: it does not say its version; put a backup in its place",
                       pg->base.place));
    *version = tl_pg_i64(result, 0, 0);
    if (*version > SCHEMA_VERSION)
        TL_TRY(fail_newer(pg, *version, err));
out:
    PQclear(result);
    return rc;
}

static enum tl_code create_schema(struct tl_pg *pg, struct tl_err *err)
{
    struct tl_buf sql;
    enum tl_code rc;

    tl_buf_init(&sql, 0);
    tl_buf_put_str(&sql, "CREATE SCHEMA ");
    tl_merge_view_put_name(&sql, tl_sv_from(pg->schema));
    tl_buf_put_u8(&sql, '\0');
    TL_TRY(tl_buf_check(&sql, "a statement", err));
    TL_TRY(tl_pg_send(pg, sql.data, "make the schema", err));
    tl_buf_clear(&sql);
    tl_buf_put_str(&sql, "COMMENT ON SCHEMA ");
    tl_merge_view_put_name(&sql, tl_sv_from(pg->schema));
    tl_buf_put_str(&sql, " IS 'tally: views of a stream of events, counted twice'");
    tl_buf_put_u8(&sql, '\0');
    TL_TRY(tl_buf_check(&sql, "a statement", err));
    TL_TRY(tl_pg_send(pg, sql.data, "make the schema", err));
out:
    tl_buf_done(&sql);
    return rc;
}

/* From the version that it has, in one transaction. */
static enum tl_code bring_up(struct tl_pg *pg, struct tl_err *err)
{
    PGresult *result = NULL;
    int64_t version = 0;
    bool there = false;
    struct tl_err ignored;
    enum tl_code rc;

    TL_TRY(tl_pg_send(pg, "BEGIN ISOLATION LEVEL READ COMMITTED", "begin a transaction", err));
    TL_TRY(ask(pg, sql_lock, true, &result, err));
    PQclear(result);
    TL_TRY(look(pg, &version, &there, err)); /* another process may have been faster */
    if (!there)
        TL_TRY(create_schema(pg, err));
    for (size_t v = (size_t)version; v < SCHEMA_VERSION; v++)
        for (size_t i = 0; i < sql_versions[v].count; i++)
            TL_TRY(tl_pg_send(pg, sql_versions[v].statements[i], version == 0 ? "make the schema" : "migrate the schema", err));
    if (version < SCHEMA_VERSION)
        TL_TRY(tl_pg_send(pg, sql_set_version, "set the schema's version", err));
    TL_TRY(tl_pg_exec(pg, "COMMIT", "commit", err));
out:
    if (rc != TL_OK && !tl_pg_lost(pg))
        (void)!tl_pg_exec(pg, "ROLLBACK", "roll back", &ignored);
    return rc;
}

enum tl_code tl_pg_check_schema(struct tl_pg *pg, struct tl_err *err)
{
    int64_t version = 0;
    bool there = false;
    enum tl_code rc;

    TL_TRY(look(pg, &version, &there, err));
    if (version == SCHEMA_VERSION)
        return TL_OK;
    if (pg->base.writable)
        return bring_up(pg, err);
    if (version == 0)
        TL_TRY(
            tl_fail(err, TL_ERR_NOT_FOUND, "%s: there is no store yet; `tally speed` or `tally batch` makes it", pg->base.place));
    TL_TRY(tl_fail(err, TL_ERR_CORRUPT,
                   "%s: an older tally made this store (its schema is version %lld, this tally's is %d); `tally speed` or "
                   "`tally batch` brings it up to date; nothing was written",
                   pg->base.place, (long long)version, SCHEMA_VERSION));
out:
    return rc;
}
