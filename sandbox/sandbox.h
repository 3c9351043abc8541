/*
 * sandbox.h
 *		Hold everything that one running sandbox is.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include "change.h"
#include "dataset.h"
#include "fault.h"
#include "listing.h"
#include "options.h"
#include "request_log.h"
#include "settings.h"

typedef struct Sandbox
{
	Options		 options;
	uint16_t	 port; /* that it listens on */
	Dataset		 dataset;
	Settings	 settings;
	RequestLog	 log;
	FaultList	 faults;
	ChangeList	 changes;
	ListingCache cache;
} Sandbox;

extern void sandbox_init(Sandbox *sandbox);
extern void sandbox_free(Sandbox *sandbox);

/* Bring log, faults, settings and data back to what they were at the start. */
extern void sandbox_reset(Sandbox *sandbox);

/* Make the data anew where a setting wants other data; changes to it are lost then. */
extern void sandbox_follow_settings(Sandbox *sandbox);

#endif /* SANDBOX_SANDBOX_H */
