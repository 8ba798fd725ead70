/*-------------------------------------------------------------------------
 *
 * similar_name.c
 *	  What was probably meant by a misspelt name.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/varlena.h"

#include "base/similar_name.h"

/* longer names are not compared: levenshtein's cost is their product */
#define NAME_MAX_BYTES	255

static int
distance_between(const char *a, const char *b, int limit)
{
	char	   *left = asc_tolower(a, strlen(a));
	char	   *right = asc_tolower(b, strlen(b));

	return varstr_levenshtein_less_equal(left, strlen(left), right, strlen(right), 1, 1, 1, limit, true);
}

const char *
similar_name(const char *name, const List *candidates)
{
	const char *best = NULL;
	int			limit = Min(3, strlen(name) / 2);
	ListCell   *lc;

	if (strlen(name) > NAME_MAX_BYTES)
		return NULL;
	foreach(lc, candidates)
	{
		const char *candidate = lfirst(lc);
		int			distance;

		if (strlen(candidate) > NAME_MAX_BYTES)
			continue;
		distance = distance_between(name, candidate, limit);
		if (distance <= limit && (best == NULL || distance < limit))
		{
			best = candidate;
			limit = distance;
		}
	}
	return best;
}
