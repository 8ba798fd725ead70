/*-------------------------------------------------------------------------
 *
 * request.h
 *	  A RunRequest on its way through shared memory.
 *
 *-------------------------------------------------------------------------
 */
#ifndef PGTUNSYNC_REQUEST_H
#define PGTUNSYNC_REQUEST_H

#include "lib/stringinfo.h"
#include "run/request_types.h"

extern void request_pack(StringInfo buf, const RunRequest *request);
extern RunRequest *request_unpack(const char *data);

extern void check_step_pack(StringInfo buf, const CheckStep *step);
extern CheckStep *check_step_unpack(StringInfo buf);
extern void plan_row_pack(StringInfo buf, const PlanRow *row);
extern PlanRow *plan_row_unpack(StringInfo buf);

/* The options as JSON text for the audit. */
extern char *request_options_json(const RunRequest *request);

#endif							/* PGTUNSYNC_REQUEST_H */
