/*-------------------------------------------------------------------------
 *
 * table_parts.c
 *	  Splits the load of a large table into steps for several loaders.
 *
 *	  create	create the staging heap and its empty indexes
 *	  part		run one COPY, for a range of the source's pages
 *	  index		build one index on the rows of all parts
 *	  finish	ANALYZE, and check the files of the staging heap
 *
 * A stage begins when the previous stage is complete.  Its steps can run in
 * any loader and in any order, each in its own transaction.  This is safe
 * because rows are written frozen: every transaction sees them as soon as they
 * are written.  A staging heap in which a step failed is never used again.
 * All parts are read in the one snapshot of the run.
 *
 * Between two transactions nobody holds a lock on the staging heap.  The last
 * step verifies that it still has the files of the first step.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "portability/instr_time.h"

#include "load/table_parts.h"

struct Split
{
	LoadJob		job;			/* the common part of all steps */
	const List *parts;			/* of char * */
	LoadStep	stage;
	int			pending;		/* steps of this stage that are not done */
	int			nindexes;
	bool		failed;
	LoadResult	total;
	instr_time	start;
};

static LoadJob *
make_step(const Split *split)
{
	LoadJob    *job = palloc(sizeof(LoadJob));

	*job = split->job;
	job->step = split->stage;
	job->staging = split->total.staging;
	return job;
}

Split *
split_begin(const LoadJob *job, const List *parts)
{
	Split	   *split = palloc0(sizeof(Split));

	split->job = *job;
	split->parts = parts;
	split->stage = LOAD_CREATE;
	split->total.index = job->index;
	return split;
}

LoadJob *
split_first_job(Split *split)
{
	split->pending = 1;
	return make_step(split);
}

static List *
part_jobs(Split *split)
{
	List	   *jobs = NIL;
	ListCell   *lc;

	foreach(lc, split->parts)
	{
		LoadJob    *job = make_step(split);

		job->copy_sql = lfirst(lc);
		jobs = lappend(jobs, job);
	}
	return jobs;
}

static List *
index_jobs(Split *split)
{
	List	   *jobs = NIL;

	for (int i = 0; i < split->nindexes; i++)
	{
		LoadJob    *job = make_step(split);

		job->index_number = i;
		jobs = lappend(jobs, job);
	}
	return jobs;
}

static List *
finish_job(Split *split)
{
	LoadJob    *job = make_step(split);

	job->fingerprint = split->total.fingerprint;
	return list_make1(job);
}

/* Returns the steps of the next stage that has steps. */
static List *
next_stage(Split *split)
{
	List	   *jobs = NIL;

	while (jobs == NIL && split->stage != LOAD_FINISH)
	{
		split->stage++;
		switch (split->stage)
		{
			case LOAD_PART:
				jobs = part_jobs(split);
				break;
			case LOAD_INDEX:
				jobs = index_jobs(split);
				break;
			default:
				jobs = finish_job(split);
				break;
		}
	}
	split->pending = list_length(jobs);
	return jobs;
}

List *
split_done(Split *split, const LoadResult *result, bool *complete, LoadResult *total)
{
	*complete = false;
	if (split->stage == LOAD_CREATE)
	{
		/* time the table from here, without its wait in the queue */
		INSTR_TIME_SET_CURRENT(split->start);
		split->nindexes = result->indexes;
		split->total.staging = result->staging;
		split->total.fingerprint = result->fingerprint;
	}
	split->total.rows += result->rows;
	split->total.bytes += result->bytes;
	split->total.rewritten |= result->rewritten;
	if (--split->pending > 0 || split->failed)
		return NIL;
	if (split->stage == LOAD_FINISH)
	{
		instr_time	end;

		INSTR_TIME_SET_CURRENT(end);
		INSTR_TIME_SUBTRACT(end, split->start);
		split->total.seconds = INSTR_TIME_GET_DOUBLE(end);
		*total = split->total;
		*complete = true;
		return NIL;
	}
	return next_stage(split);
}

bool
split_fail(Split *split)
{
	bool		first = !split->failed;

	split->failed = true;
	return first;
}

bool
split_failed(const Split *split)
{
	return split->failed;
}
