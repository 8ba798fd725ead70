/*-------------------------------------------------------------------------
 *
 * toast_row.c
 *	  Compresses the large values of a row or moves them out of line.
 *
 * This follows the four rounds of heap_toast_insert_or_update() in
 * heaptoast.c.  That function needs a tuple.  This one takes an array of
 * values, so that a value of many megabytes is not copied into a tuple first.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/toast_helper.h"
#include "utils/rel.h"

#include "staging/toast_row.h"

typedef struct Toaster
{
	ToastTupleContext context;
	Size		limit;			/* for all values together */
	int			options;
	ToastAttrInfo columns[MaxHeapAttributeNumber];
} Toaster;

/*
 * Returns the largest value that can still shrink; -1 if none can, or the row
 * fits.
 */
static int
next_column(Toaster *toaster, bool compression, bool main)
{
	ToastTupleContext *context = &toaster->context;

	if (heap_compute_data_size(RelationGetDescr(context->ttc_rel), context->ttc_values,
							   context->ttc_isnull) <= toaster->limit)
		return -1;
	return toast_tuple_find_biggest_attribute(context, compression, main);
}

/*
 * Compresses values.  A value that exceeds the limit by itself goes out of
 * line.
 */
static void
shrink_largest(Toaster *toaster)
{
	Relation	heap = toaster->context.ttc_rel;
	int			i;

	while ((i = next_column(toaster, true, false)) >= 0)
	{
		if (TupleDescAttr(RelationGetDescr(heap), i)->attstorage == TYPSTORAGE_EXTENDED)
			toast_tuple_try_compression(&toaster->context, i);
		else
			toaster->columns[i].tai_colflags |= TOASTCOL_INCOMPRESSIBLE;
		if (toaster->columns[i].tai_size > toaster->limit &&
			OidIsValid(heap->rd_rel->reltoastrelid))
			toast_tuple_externalize(&toaster->context, i, toaster->options);
	}
}

static void
put_out_of_line(Toaster *toaster, bool main)
{
	int			i;

	if (!OidIsValid(toaster->context.ttc_rel->rd_rel->reltoastrelid))
		return;
	while ((i = next_column(toaster, false, main)) >= 0)
		toast_tuple_externalize(&toaster->context, i, toaster->options);
}

static void
compress_main(Toaster *toaster)
{
	int			i;

	while ((i = next_column(toaster, true, true)) >= 0)
		toast_tuple_try_compression(&toaster->context, i);
}

void
toast_row(Relation heap, Datum *values, bool *isnull, int options)
{
	Toaster    *toaster = palloc(sizeof(Toaster));
	Size		header = SizeofHeapTupleHeader;

	toaster->options = options;
	toaster->context.ttc_rel = heap;
	toaster->context.ttc_values = values;
	toaster->context.ttc_isnull = isnull;
	toaster->context.ttc_oldvalues = NULL;
	toaster->context.ttc_oldisnull = NULL;
	toaster->context.ttc_attr = toaster->columns;
	toast_tuple_init(&toaster->context);
	if ((toaster->context.ttc_flags & TOAST_HAS_NULLS) != 0)
		header += BITMAPLEN(RelationGetNumberOfAttributes(heap));
	header = MAXALIGN(header);

	toaster->limit = RelationGetToastTupleTarget(heap, TOAST_TUPLE_TARGET) - header;
	shrink_largest(toaster);
	put_out_of_line(toaster, false);
	compress_main(toaster);
	toaster->limit = TOAST_TUPLE_TARGET_MAIN - header;
	put_out_of_line(toaster, true);
	pfree(toaster);
}
