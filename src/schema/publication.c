/*-------------------------------------------------------------------------
 *
 * publication.c
 *	  Finds out whether logical replication sends the changes of a table.
 *
 * A publication alone has no subscriber.  Changes are sent only if there is
 * also a logical replication slot in this database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_publication.h"
#include "miscadmin.h"
#include "replication/slot.h"
#include "storage/lwlock.h"
#include "utils/rel.h"
#include "utils/relcache.h"

#include "base/compat.h"
#include "schema/publication.h"

bool
published_has_slots(void)
{
	bool		found = false;

	LWLockAcquire(ReplicationSlotControlLock, LW_SHARED);
	for (int i = 0; i < max_replication_slots && !found; i++)
	{
		ReplicationSlot *slot = &ReplicationSlotCtl->replication_slots[i];

		found = slot->in_use && slot->data.database == MyDatabaseId;
	}
	LWLockRelease(ReplicationSlotControlLock);
	return found;
}

bool
published_table(Relation rel)
{
	PublicationActions actions;

	compat_publication_actions(rel, &actions);
	return actions.pubinsert || actions.pubupdate || actions.pubdelete || actions.pubtruncate;
}

bool
published_lacks_identity(Relation rel, bool updates)
{
	PublicationActions actions;

	compat_publication_actions(rel, &actions);
	return (updates ? actions.pubupdate : actions.pubdelete) &&
		rel->rd_rel->relreplident != REPLICA_IDENTITY_FULL &&
		!OidIsValid(RelationGetReplicaIndex(rel));
}
