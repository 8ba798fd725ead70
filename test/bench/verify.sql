-- What must be the same on both sides: the rows, and that every key, index and
-- trigger is in force.  (Not the sequences: replication does not bring them.)
SET max_parallel_workers_per_gather = 2;
SELECT 'accounts', count(*), sum(hash_record_extended(t, 0)::numeric) FROM accounts t;
SELECT 'products', count(*), sum(hash_record_extended(t, 0)::numeric) FROM products t;
SELECT 'users', count(*), sum(hash_record_extended(t, 0)::numeric) FROM users t;
SELECT 'orders', count(*), sum(hash_record_extended(t, 0)::numeric) FROM orders t;
SELECT 'order_items', count(*), sum(hash_record_extended(t, 0)::numeric) FROM order_items t;
SELECT 'events', count(*), sum(hash_record_extended(t, 0)::numeric) FROM events t;
SELECT 'foreign keys', count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated AND connamespace = 'public'::regnamespace;
SELECT 'indexes', count(*) FROM pg_index i JOIN pg_class c ON c.oid = indrelid
WHERE indisvalid AND c.relnamespace = 'public'::regnamespace;
SELECT 'triggers', count(*) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
WHERE tgenabled = 'O' AND c.relnamespace = 'public'::regnamespace;
