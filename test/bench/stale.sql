-- Makes a copy of the shop an older one: values differ, the newest rows are
-- missing, and some rows exist here only.
DELETE FROM order_items WHERE id > (SELECT max(id) * 0.98 FROM order_items);
DELETE FROM orders o WHERE id > (SELECT max(id) * 0.99 FROM orders)
	AND NOT EXISTS (SELECT FROM order_items i WHERE i.order_id = o.id);
DELETE FROM events WHERE id > (SELECT max(id) * 0.98 FROM events);
UPDATE accounts SET name = 'stale ' || id WHERE id % 3 = 0;
UPDATE users SET sign_in_count = -1 WHERE id % 10 = 0;
INSERT INTO accounts (id, name, plan, subdomain, created_at, updated_at)
SELECT 900000000 + i, 'local only', 'dev', 'local-' || i, now(), now() FROM generate_series(1, 100) i;
INSERT INTO users (id, account_id, email, encrypted_password, sign_in_count, created_at, updated_at)
SELECT 900000000 + i, 900000000 + i, 'local' || i || '@example.com', '', 0, now(), now() FROM generate_series(1, 100) i;
SELECT setval('events_id_seq', 1), setval('orders_id_seq', 1);
VACUUM (FULL, ANALYZE);
