-- roles.sql: the roles that tally's store in PostgreSQL wants, with no right more than they need. It may be run again: it puts right what differs.
--
--   psql -d DATABASE -f roles.sql                                 as a superuser, once for each database
--   psql -d DATABASE -v schema=numbers -v writer=numbers -v reader=numbers_read -f roles.sql
--
-- writer (tally)         logs in as speed, batch and whatever else counts. It owns the schema, and so its tables and views; nothing outside.
-- reader (tally_read)    cannot log in by itself: GRANT tally_read TO grafana. It reads the views and tables, those of views to come too, but
--                        not tally_meta, where the secret is that addresses are made unreadable with.
--
-- The writer has no password yet: \password tally, or a certificate or a peer in pg_hba.conf.
\set ON_ERROR_STOP on
\if :{?schema}
\else
    \set schema tally
\endif
\if :{?writer}
\else
    \set writer tally
\endif
\if :{?reader}
\else
    \set reader tally_read
\endif

BEGIN;

SELECT format('CREATE ROLE %I LOGIN', :'writer') WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :'writer') \gexec
SELECT format('CREATE ROLE %I NOLOGIN', :'reader') WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :'reader') \gexec
ALTER ROLE :"writer" NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE :"reader" NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
COMMENT ON ROLE :"writer" IS 'tally: owns and writes its schema';
COMMENT ON ROLE :"reader" IS 'tally: reads its views, for dashboards';

SELECT format('GRANT CONNECT ON DATABASE %I TO %I, %I', current_database(), :'writer', :'reader') \gexec

SELECT format('CREATE SCHEMA %I AUTHORIZATION %I', :'schema', :'writer')
WHERE NOT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = :'schema') \gexec
ALTER SCHEMA :"schema" OWNER TO :"writer";
COMMENT ON SCHEMA :"schema" IS 'tally: views of a stream of events, counted twice';
REVOKE ALL ON SCHEMA :"schema" FROM PUBLIC;
GRANT USAGE ON SCHEMA :"schema" TO :"reader";

-- Views and tables that there are, and those that tally makes from now on. tally takes tally_meta out by itself when it makes it.
GRANT SELECT ON ALL TABLES IN SCHEMA :"schema" TO :"reader";
ALTER DEFAULT PRIVILEGES FOR ROLE :"writer" IN SCHEMA :"schema" GRANT SELECT ON TABLES TO :"reader";
SELECT format('REVOKE ALL ON %I.tally_meta FROM %I, PUBLIC', :'schema', :'reader')
WHERE to_regclass(format('%I.tally_meta', :'schema')) IS NOT NULL \gexec

COMMIT;
