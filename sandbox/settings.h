/*
 * settings.h
 *		How the server behaves where the API page leaves it open; steered by POST /_control.
 */
#ifndef SANDBOX_SETTINGS_H
#define SANDBOX_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

typedef enum DefaultOrder
{
	ORDER_UPDATED,
	ORDER_CREATED,
	ORDER_NONE
} DefaultOrder;

typedef struct Settings
{
	uint32_t	 latency_ms;
	bool		 bounds_exclusive; /* filter_date_* leave out the bound itself */
	bool		 honour_order;	   /* order_date_* of conversations */
	bool		 honour_sort;	   /* sort_field and sort_order of people */
	bool		 honour_filters;   /* filter_*, date bounds among them */
	DefaultOrder default_order;
	bool		 messages_inclusive; /* timestamp_before and _after don't leave out the moment */
	uint32_t	 full_last_page;	 /* status of a last page that is full: 200 or 206 */
	bool		 visitors_limited;
	uint32_t	 visitors_per_page;
	bool		 gzip;	  /* answers are packed for clients that accept it */
	uint64_t	 version; /* grows with each change */
} Settings;

#endif /* SANDBOX_SETTINGS_H */
