/*-------------------------------------------------------------------------
 *
 * tunnel_options.c
 *	  What the tunnel worker is told, and how it travels.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/compat.h"
#include "base/serialize.h"
#include "tunnel/tunnel_options.h"

void
tunnel_options_pack(StringInfo buf, const TunnelOptions *options)
{
	SshSecrets	secrets;

	ssh_route_pack(buf, options->route);
	pack_int(buf, options->local_port);
	pack_string(buf, options->remote_host);
	pack_int(buf, options->remote_port);
	pack_int(buf, options->sessions);
	pack_int(buf, options->connect_timeout);
	pack_int(buf, options->connect_attempts);
	pack_int(buf, options->connect_retry_delay);
	pack_int(buf, options->total_timeout);
	pack_int(buf, options->progress_level);
	pack_int(buf, options->log_level);
	pack_int(buf, options->run_id);

	/* the buffer must not grow, and leave copies, once secrets are in it */
	ssh_secrets_read(options->env, &secrets);
	enlargeStringInfo(buf, 64 + (secrets.passphrase ? (int) strlen(secrets.passphrase) : 0) +
					  (secrets.password ? (int) strlen(secrets.password) : 0));
	pack_string(buf, secrets.passphrase);
	pack_string(buf, secrets.password);
	ssh_secrets_wipe(&secrets);
}

TunnelOrders *
tunnel_options_unpack(StringInfo buf)
{
	TunnelOrders *orders = palloc0(sizeof(TunnelOrders));

	orders->route = ssh_route_unpack(buf);
	orders->local_port = (int) unpack_int(buf);
	orders->remote_host = unpack_string(buf);
	orders->remote_port = (int) unpack_int(buf);
	orders->sessions = (int) unpack_int(buf);
	orders->connect_timeout = (int) unpack_int(buf);
	orders->connect_attempts = (int) unpack_int(buf);
	orders->connect_retry_delay = (int) unpack_int(buf);
	orders->total_timeout = (int) unpack_int(buf);
	orders->progress_level = (int) unpack_int(buf);
	orders->log_level = (int) unpack_int(buf);
	orders->run_id = unpack_int(buf);
	orders->secrets.passphrase = unpack_string(buf);
	orders->secrets.password = unpack_string(buf);
	return orders;
}
