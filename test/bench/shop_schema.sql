-- A shop as web applications have it: six tables linked by foreign keys, with
-- one to four indexes each.
CREATE TABLE accounts (
	id bigserial PRIMARY KEY,
	name text NOT NULL,
	plan text NOT NULL,
	subdomain text NOT NULL,
	settings jsonb NOT NULL DEFAULT '{}',
	created_at timestamp(6) NOT NULL,
	updated_at timestamp(6) NOT NULL
);
CREATE TABLE products (
	id bigserial PRIMARY KEY,
	sku text NOT NULL,
	title text NOT NULL,
	description text,
	price numeric(10, 2) NOT NULL,
	active boolean NOT NULL,
	created_at timestamp(6) NOT NULL,
	updated_at timestamp(6) NOT NULL
);
CREATE TABLE users (
	id bigserial PRIMARY KEY,
	account_id bigint NOT NULL,
	email text NOT NULL,
	encrypted_password text NOT NULL,
	first_name text,
	last_name text,
	sign_in_count int NOT NULL,
	last_sign_in_at timestamp(6),
	last_sign_in_ip inet,
	created_at timestamp(6) NOT NULL,
	updated_at timestamp(6) NOT NULL
);
CREATE TABLE orders (
	id bigserial PRIMARY KEY,
	user_id bigint NOT NULL,
	number text NOT NULL,
	state text NOT NULL,
	total numeric(12, 2) NOT NULL,
	currency char(3) NOT NULL,
	completed_at timestamp(6),
	created_at timestamp(6) NOT NULL,
	updated_at timestamp(6) NOT NULL
);
CREATE TABLE order_items (
	id bigserial PRIMARY KEY,
	order_id bigint NOT NULL,
	product_id bigint NOT NULL,
	quantity int NOT NULL,
	price numeric(10, 2) NOT NULL,
	created_at timestamp(6) NOT NULL,
	updated_at timestamp(6) NOT NULL
);
CREATE TABLE events (
	id bigserial PRIMARY KEY,
	user_id bigint NOT NULL,
	kind text NOT NULL,
	payload jsonb NOT NULL,
	body text,
	ip inet,
	occurred_at timestamptz NOT NULL,
	created_at timestamp(6) NOT NULL
);
