--
-- What a session sees of pgtunsync without any source: spellings, settings,
-- rights, the audit's visibility.  With VERBOSITY sqlstate, an error is its code:
-- 58P01 (the environment file is missing) is as far as a call can get here.
--
CREATE EXTENSION IF NOT EXISTS pgtunsync;
\set VERBOSITY sqlstate
SET client_min_messages = warning;
SET pgtunsync.env_file = '/nonexistent/env.pgsync';

-- every natural spelling resolves without casts: all 58P01
SELECT pgtunsync.pull();
SELECT pgtunsync.pull('users');
SELECT pgtunsync.pull('users,orders');
SELECT pgtunsync.pull('{users,orders}');
SELECT pgtunsync.pull('<users>');
SELECT pgtunsync.pull('group:core');
SELECT pgtunsync.pull('{users}', 'core');
SELECT pgtunsync.pull(ARRAY['users']);
SELECT pgtunsync.pull(ARRAY['users'], 'core');
SELECT pgtunsync.pull(grp => 'core');
SELECT pgtunsync.pull('users', jobs => 1);
SELECT pgtunsync.pull('users', on_error => 'abort', jobs => 2);
SELECT pgtunsync.pull(tables => '{users}');
SELECT pgtunsync.pull(tables => 'users');
SELECT pgtunsync.pull(tables => ARRAY['users']);

-- plan() takes what pull() takes, gets as far, and records nothing
SELECT * FROM pgtunsync.plan();
SELECT * FROM pgtunsync.plan('users,orders', jobs => 1, on_error => 'abort', wait => false);
SELECT * FROM pgtunsync.plan('{users}', grp => 'core');
SELECT * FROM pgtunsync.plan(ARRAY['users']);
SELECT * FROM pgtunsync.plan(tables => 'users');
SELECT * FROM pgtunsync.plan('users', jobs => 0);

-- bad arguments, all 22023 but the null, 22004
SELECT pgtunsync.pull('{}'::text[]);
SELECT pgtunsync.pull(ARRAY['users', NULL]);
SELECT pgtunsync.pull('');
SELECT pgtunsync.pull('users,,orders');
SELECT pgtunsync.pull('users', jobs => 0);
SELECT pgtunsync.pull('users', jobs => 65);
SELECT pgtunsync.pull('users', on_error => 'ignore');

-- a null that a driver made of an undefined variable: 22004, with and without a group
SELECT pgtunsync.pull(NULL);
SELECT pgtunsync.pull(NULL::text);
SELECT pgtunsync.pull(NULL::text[]);
SELECT pgtunsync.pull(NULL, 'core');
SELECT pgtunsync.pull(grp => NULL);
SELECT pgtunsync.pull('users', filter => NULL);
SELECT pgtunsync.pull('users', mode => NULL);
SELECT pgtunsync.pull(schemas => NULL);
SELECT pgtunsync.pull(exclude => NULL);
SELECT * FROM pgtunsync.plan(NULL);
SELECT * FROM pgtunsync.plan(NULL::text[]);
SELECT pgtunsync.wait(NULL);
SELECT pgtunsync.cancel(NULL);

-- where nothing may be written: 25006
BEGIN READ ONLY;
SELECT pgtunsync.pull('users');
ROLLBACK;

-- runs that do not exist: 42704
SELECT pgtunsync.wait(0);
SELECT pgtunsync.cancel(0);

-- each call that got as far as a leader has one row, in a final state
SELECT status, sqlstate, count(*) FROM pgtunsync.runs GROUP BY 1, 2;
SELECT requested_tables, requested_group, options ->> 'on_error' AS on_error
  FROM pgtunsync.runs ORDER BY id LIMIT 4;

-- an ordinary role: no EXECUTE (42501), no say in the files, sees its own runs only
CREATE ROLE regress_pgtunsync_user;
SET ROLE regress_pgtunsync_user;
SELECT pgtunsync.pull('users');
SELECT pgtunsync.wait(1);
SELECT * FROM pgtunsync.plan('users');
SELECT pgtunsync.cancel(1);
SET pgtunsync.env_file = '/etc/passwd';
SET pgtunsync.config_file = '/etc/passwd';
SET pgtunsync.jobs = 2;
SELECT count(*) FROM pgtunsync.runs;
SELECT count(*) FROM pgtunsync.run_tables;
INSERT INTO pgtunsync.runs (started_at, role, database, options, status)
  VALUES (now(), 'x', 'y', '{}', 'succeeded');
UPDATE pgtunsync.runs SET status = 'succeeded';
DELETE FROM pgtunsync.runs;
-- nothing of what is behind the views: 42501
SELECT * FROM pgtunsync_internal.runs;
SELECT * FROM pgtunsync_internal.run_tables;
SELECT * FROM pgtunsync_internal.progress_rows();
SELECT * FROM pgtunsync.progress;
RESET ROLE;

-- not even a role that may write everything writes the audit: 42501
GRANT pg_write_all_data TO regress_pgtunsync_user;
SET ROLE regress_pgtunsync_user;
UPDATE pgtunsync.runs SET status = 'succeeded';
DELETE FROM pgtunsync.runs;
INSERT INTO pgtunsync_internal.run_tables (run_id, table_name, status, mode) VALUES (1, 'x', 'failed', 'replace');
UPDATE pgtunsync_internal.runs SET leader_pid = 1;
DELETE FROM pgtunsync_internal.runs;
SET session_replication_role = replica;
RESET ROLE;
REVOKE pg_write_all_data FROM regress_pgtunsync_user;

-- a superuser may: old runs can go, with their tables
BEGIN;
INSERT INTO pgtunsync_internal.run_tables (run_id, table_name, status, mode)
  SELECT min(id), 'x', 'failed', 'replace' FROM pgtunsync.runs;
DELETE FROM pgtunsync.runs WHERE finished_at <= now();
SELECT count(*) FROM pgtunsync.runs;
SELECT count(*) FROM pgtunsync.run_tables;
ROLLBACK;

-- with EXECUTE it gets as far as anyone (58P01) and sees that run
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO regress_pgtunsync_user;
SET ROLE regress_pgtunsync_user;
SELECT pgtunsync.pull('users');
SELECT role, status, sqlstate FROM pgtunsync.runs;
RESET ROLE;

-- monitors see all
GRANT pg_monitor TO regress_pgtunsync_user;
SET ROLE regress_pgtunsync_user;
SELECT count(*) > 10 AS sees_all FROM pgtunsync.runs;
RESET ROLE;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync FROM regress_pgtunsync_user;
DROP ROLE regress_pgtunsync_user;

-- every schema, function, table and view is explained
SELECT nspname FROM pg_namespace WHERE nspname ~ '^pgtunsync' AND obj_description(oid, 'pg_namespace') IS NULL;
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
 WHERE nspname ~ '^pgtunsync' AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
 WHERE nspname ~ '^pgtunsync' AND relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL;

-- what users find in its schema, and which rights a role has without any grant
SELECT proname, pg_get_function_arguments(oid) ~ '^tables ' AS takes_tables, proacl::text ~ '[{,]=X' AS public
  FROM pg_proc WHERE pronamespace = 'pgtunsync'::regnamespace ORDER BY 1, oid;
SELECT relname, relkind, relacl::text ~ '[{,]=r/' AS public FROM pg_class
 WHERE relnamespace = 'pgtunsync'::regnamespace ORDER BY 1;

-- dropped without a trace
DROP EXTENSION pgtunsync;
SELECT count(*) FROM pg_namespace WHERE nspname ~ '^pgtunsync';
