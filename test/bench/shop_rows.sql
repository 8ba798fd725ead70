-- The shop's rows; -v scale=1: 5.3 million rows, 0.86 GB of COPY text, 1.25 GB of tables
-- and indexes.
SELECT setseed(0.42);
SELECT (50000 * :scale)::int AS accounts, (50000 * :scale)::int AS products,
	(200000 * :scale)::int AS users, (1000000 * :scale)::int AS orders \gset

INSERT INTO accounts
SELECT i, 'Account ' || md5(i::text), (ARRAY['free', 'pro', 'team', 'ent'])[1 + i % 4], 'acct-' || i,
	jsonb_build_object('theme', 'dark', 'seats', i % 50, 'region', 'eu-' || i % 7),
	timestamp '2019-01-01' + i * interval '13 min', timestamp '2024-01-01' + i * interval '1 min'
FROM generate_series(1, :accounts) i;

INSERT INTO products
SELECT i, 'SKU-' || lpad(i::text, 8, '0'), 'Product ' || md5(i::text), repeat(md5((i * 7)::text) || ' ', 4),
	(random() * 1000)::numeric(10, 2), i % 10 <> 0,
	timestamp '2019-01-01' + i * interval '11 min', timestamp '2024-01-01' + i * interval '1 min'
FROM generate_series(1, :products) i;

INSERT INTO users
SELECT i, 1 + (random() * (:accounts - 1))::int, 'user' || i || '@example.com',
	'$2a$12$' || left(md5(i::text) || md5((i + 1)::text), 53), 'First' || i % 1000, 'Last' || i % 5000, i % 300,
	timestamp '2024-01-01' + random() * interval '300 days',
	('10.' || i % 250 || '.' || (i / 250) % 250 || '.1')::inet,
	timestamp '2020-01-01' + i * interval '5 min', timestamp '2024-01-01' + i * interval '1 min'
FROM generate_series(1, :users) i;

INSERT INTO orders
SELECT i, 1 + (random() * (:users - 1))::int, 'R' || lpad(i::text, 9, '0'),
	(ARRAY['cart', 'placed', 'paid', 'shipped', 'returned'])[1 + i % 5], (random() * 5000)::numeric(12, 2), 'EUR',
	CASE WHEN i % 5 > 1 THEN timestamp '2024-01-01' + i * interval '20 s' END,
	timestamp '2022-01-01' + i * interval '1 min', timestamp '2024-01-01' + i * interval '20 s'
FROM generate_series(1, :orders) i;

INSERT INTO order_items
SELECT i, 1 + (i - 1) / 3, 1 + (random() * (:products - 1))::int, 1 + i % 5, (random() * 1000)::numeric(10, 2),
	timestamp '2022-01-01' + i * interval '20 s', timestamp '2024-01-01' + i * interval '7 s'
FROM generate_series(1, 3 * :orders) i;

INSERT INTO events
SELECT i, 1 + (random() * (:users - 1))::int,
	(ARRAY['page_view', 'click', 'signup', 'purchase', 'login', 'logout'])[1 + i % 6],
	jsonb_build_object('path', '/p/' || i % 10000, 'referrer', 'https://example.com/' || md5((i % 1000)::text),
		'session', md5(i::text), 'ua', 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36', 'n', i % 100,
		'tags', jsonb_build_array('a' || i % 10, 'b' || i % 20)),
	'line one ' || md5((i * 3)::text) || E'\nline two\t' || md5((i * 5)::text) || ' ' || md5((i * 11)::text) ||
	repeat(' lorem ipsum', 6),
	('192.168.' || i % 250 || '.' || (i / 250) % 250)::inet,
	timestamptz '2024-01-01 00:00+00' + i * interval '21 s', timestamp '2024-01-01' + i * interval '21 s'
FROM generate_series(1, :orders) i;

CREATE UNIQUE INDEX ON accounts (subdomain);
CREATE UNIQUE INDEX ON products (sku);
CREATE UNIQUE INDEX ON users (email);
CREATE INDEX ON users (account_id);
CREATE UNIQUE INDEX ON orders (number);
CREATE INDEX ON orders (user_id);
CREATE INDEX ON orders (state, completed_at);
CREATE INDEX ON order_items (order_id);
CREATE INDEX ON order_items (product_id);
CREATE INDEX ON events (user_id);
CREATE INDEX ON events (kind, occurred_at);
CREATE INDEX ON events (created_at);

ALTER TABLE users ADD FOREIGN KEY (account_id) REFERENCES accounts;
ALTER TABLE orders ADD FOREIGN KEY (user_id) REFERENCES users;
ALTER TABLE order_items ADD FOREIGN KEY (order_id) REFERENCES orders;
ALTER TABLE order_items ADD FOREIGN KEY (product_id) REFERENCES products;
ALTER TABLE events ADD FOREIGN KEY (user_id) REFERENCES users;

SELECT setval('accounts_id_seq', :accounts), setval('products_id_seq', :products), setval('users_id_seq', :users),
	setval('orders_id_seq', :orders), setval('order_items_id_seq', 3 * :orders), setval('events_id_seq', :orders);
