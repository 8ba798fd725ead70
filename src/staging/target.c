/*-------------------------------------------------------------------------
 *
 * target.c
 *	  Opens the target, the table that a run pulls, for a moment.
 *
 * A loader works as long as rows arrive.  It must not hold a lock on the
 * target for that time: an ALTER TABLE would wait for its AccessShareLock, and
 * every reader would wait for the ALTER TABLE.  So a loader locks the target
 * only while it copies the definition.  It runs no code of the owner while it
 * holds the lock.
 *
 * Without a lock, the target may be altered at any time.  Whenever a loader
 * opens it, the definition is compared with the one in the plan.  The last
 * comparison is made under the lock of the swap (final_check.c).  If the
 * target was altered, the table fails and stays as it was.  A loader converts
 * and checks rows by its copy, and the staging heap has the same definition.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/rel.h"

#include "base/compat.h"
#include "schema/table_shape.h"
#include "staging/target.h"

void
target_lock(Oid relid)
{
	PG_TRY();
	{
		LockRelationOid(relid, AccessShareLock);
	}
	PG_CATCH();
	{
		if (geterrcode() != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		FlushErrorState();
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("it could not be locked within %d ms", LockTimeout),
				 errdetail("Another session is altering the table."),
				 errhint("Try again later, or raise \"pgtunsync.lock_timeout\".")));
	}
	PG_END_TRY();
}

static void
check_shape(Relation target, const char *shape)
{
	char	   *difference = table_shape_difference(shape, table_shape(target));

	if (difference == NULL)
		return;
	difference[0] = pg_toupper((unsigned char) difference[0]);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("it was altered meanwhile"),
			 errdetail("%s while its rows were loaded.", difference),
			 errhint("Pull again.")));
}

Relation
target_open(Oid relid, const char *shape)
{
	Relation	target;

	target_lock(relid);
	target = try_relation_open(relid, NoLock);
	if (target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("it was dropped meanwhile")));
	check_shape(target, shape);
	return target;
}

void
target_close(Relation target)
{
	relation_close(target, AccessShareLock);
}

Relation
target_copy(Oid relid, const char *shape)
{
	Relation	target = target_open(relid, shape);
	Relation	copy = palloc0(sizeof(RelationData));

	copy->rd_id = target->rd_id;
	copy->rd_isvalid = true;
	copy->rd_backend = target->rd_backend;
	copy->rd_tableam = target->rd_tableam;
	copy->rd_lockInfo = target->rd_lockInfo;
	copy->rd_rel = palloc(CLASS_TUPLE_SIZE);
	memcpy(copy->rd_rel, target->rd_rel, CLASS_TUPLE_SIZE);
	copy->rd_att = CreateTupleDescCopyConstr(RelationGetDescr(target));
	target_close(target);
	return copy;
}
