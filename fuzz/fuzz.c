/*-------------------------------------------------------------------------
 *
 * fuzz.c
 *		Let libFuzzer try the parts of crisp_fdw that read what others have written.
 *
 * It runs within a backend (postgres --single), so that memory contexts, errors and encodings are
 * PostgreSQL's own.  An input may raise any error but an internal one; each is freed by the reset
 * of one context.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "fuzz.h"

PG_FUNCTION_INFO_V1(crisp_fuzz);

extern int LLVMFuzzerRunDriver(int *argc, char ***argv,
							   int (*callback)(const uint8_t *data, size_t size));

typedef struct FuzzTarget
{
	const char *name;
	void (*run)(uint8 *data, size_t size);
} FuzzTarget;

static const FuzzTarget targets[] = {
	{"json", fuzz_json},		{"path", fuzz_path}, {"convert", fuzz_convert},
	{"option", fuzz_option},	{"head", fuzz_head}, {"time_range", fuzz_time_range},
	{"credentials", fuzz_file},
};

static const FuzzTarget *target;
static MemoryContext	 context;

void
fuzz_fail(const char *what)
{
	fprintf(stderr, "crisp_fuzz %s: %s\n", target->name, what);
	abort();
}

/*
 * Try one input (a callback of libFuzzer).
 */
static int
try_input(const uint8_t *data, size_t size)
{
	MemoryContext old_context = MemoryContextSwitchTo(context);
	char		 *copy = palloc(size + 1);

	/* With a NUL behind it, as all that is read has one. */
	memcpy(copy, size > 0 ? (const char *) data : "", size);
	copy[size] = '\0';

	PG_TRY();
	{
		target->run((uint8 *) copy, size);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		if (error->sqlerrcode == ERRCODE_INTERNAL_ERROR)
			fuzz_fail(error->message);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(context);
	return 0;
}

/*
 * Run libFuzzer with these arguments; the process ends with it.
 *
 * SQL: crisp_fuzz(target, arguments).
 */
Datum
crisp_fuzz(PG_FUNCTION_ARGS)
{
	char  *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Datum *elements;
	char **argv;
	int	   argc;

	for (size_t i = 0; i < lengthof(targets); i++)
		if (strcmp(targets[i].name, name) == 0)
			target = &targets[i];
	if (target == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("there is no target \"%s\"", name)));
	context = AllocSetContextCreate(TopMemoryContext, "crisp_fuzz", ALLOCSET_DEFAULT_SIZES);

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &elements, NULL,
					  &argc);
	argv = palloc0(sizeof(char *) * (argc + 2));
	argv[0] = name;
	for (int i = 0; i < argc; i++)
		argv[i + 1] = TextDatumGetCString(elements[i]);
	argc++;
	PG_RETURN_INT32(LLVMFuzzerRunDriver(&argc, &argv, try_input));
}
