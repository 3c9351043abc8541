/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *		Declare what libFuzzer can try.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_FUZZ_H
#define CRISP_FUZZ_H

#include "base/compat.h"

/* End the process: something that must hold doesn't. */
pg_noreturn extern void fuzz_fail(const char *what);

/* Each tries one input, which has a NUL behind it, in a context that is reset afterwards. */
extern void fuzz_json(uint8 *data, size_t size);
extern void fuzz_path(uint8 *data, size_t size);
extern void fuzz_convert(uint8 *data, size_t size);
extern void fuzz_option(uint8 *data, size_t size);
extern void fuzz_head(uint8 *data, size_t size);
extern void fuzz_time_range(uint8 *data, size_t size);
extern void fuzz_file(uint8 *data, size_t size);

#endif /* CRISP_FUZZ_H */
