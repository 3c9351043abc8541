/*
 * written.h
 *		Answer changes, as the settings have it.
 */
#ifndef SANDBOX_WRITTEN_H
#define SANDBOX_WRITTEN_H

#include "route.h"

/* Begin a successful answer, whose data is to be written; reply_end() ends it. */
extern JsonWriter written_begin(Call *call, unsigned status, const char *reason);

/* Write a successful answer with an empty object as data. */
extern void written_done(Call *call, const char *reason);

/* Refuse a change; the message is left out where the settings have it so. */
extern void written_error(Call *call, unsigned status, const char *reason, const char *message);

/* Refuse a body (400 invalid_data) for what is wrong with it; false when that is NULL. */
extern bool written_refuses(Call *call, const char *problem);

#endif /* SANDBOX_WRITTEN_H */
