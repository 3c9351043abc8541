/*
 * parameters.h
 *		Read and check the values of query parameters.
 *
 * Each function leaves its result alone where the parameter is absent, and
 * says in "error", which must start as NULL, what is wrong with the first bad one.
 */
#ifndef SANDBOX_PARAMETERS_H
#define SANDBOX_PARAMETERS_H

#include "request.h"

extern void parameter_flag(const Request *request, const char *name, bool *value,
						   const char **error);
extern void parameter_text(const Request *request, const char *name, const char **value);
extern void parameter_per_page(const Request *request, uint32_t *per_page, const char **error);

/* Read ISO 8601 with time and zone; the result is in epoch milliseconds. */
extern void parameter_date(const Request *request, const char *name, int64_t *value, bool *given,
						   const char **error);

/* Read epoch milliseconds as digits. */
extern void parameter_timestamp(const Request *request, const char *name, int64_t *value,
								bool *given, const char **error);

/* Read the number of a page, from a path: 1 or more. */
extern void parameter_page(const char *text, uint64_t *page, const char **error);

#endif /* SANDBOX_PARAMETERS_H */
