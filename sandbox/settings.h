/*
 * settings.h
 *		Set how the server behaves where the API page leaves it open; steered by POST /_control.
 *
 * Each setting is a number, or stands for one of a few words: an enumeration
 * below has the words of a setting in their order.
 */
#ifndef SANDBOX_SETTINGS_H
#define SANDBOX_SETTINGS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"
#include "json_writer.h"

/* The order of conversations and people that are not asked for in any. */
typedef enum DefaultOrder
{
	ORDER_STATE,	 /* of conversations, by state and unread, as the inbox shows them */
	ORDER_UPDATED,	 /* newest first */
	ORDER_CREATED,	 /* newest first */
	ORDER_INSERTION, /* as generated, unrelated to any time */
	ORDER_RANDOM,	 /* another at each request */
	ORDER_NONE		 /* the former name of ORDER_INSERTION */
} DefaultOrder;

typedef enum WaitingOrder
{
	WAITING_LONGEST_FIRST,
	WAITING_NEWEST_FIRST
} WaitingOrder;

/* Which ends of a range belong to it. */
typedef enum DateBounds
{
	BOUNDS_INCLUSIVE,
	BOUNDS_EXCLUSIVE,
	BOUNDS_START,
	BOUNDS_END
} DateBounds;

typedef enum InboxAll
{
	INBOX_ALL_KNOWN,
	INBOX_ALL_UNKNOWN,
	INBOX_ALL_IGNORED,
	INBOX_ALL_REFUSED
} InboxAll;

typedef enum UnassignBody
{
	UNASSIGN_EITHER,
	UNASSIGN_USER_ID,
	UNASSIGN_ASSIGNED,
	UNASSIGN_NEITHER
} UnassignBody;

/* Whether a parameter is obeyed.  IGNORED and HONOURED are false and true. */
typedef enum Honour
{
	IGNORED,
	HONOURED,
	HONOURED_DATES, /* of honour_filters: dates alone are */
	REFUSED = 2		/* of honour_sort: 400 for what is no search field */
} Honour;

typedef enum SegmentsFilter
{
	SEGMENTS_HONOURED,
	SEGMENTS_IGNORED,
	SEGMENTS_REFUSED
} SegmentsFilter;

/* What several values in a search filter mean. */
typedef enum FilterValues
{
	VALUES_ANY,
	VALUES_ALL,
	VALUES_FIRST,
	VALUES_REFUSED
} FilterValues;

/* How a change that was made is answered. */
typedef enum WriteSuccess
{
	SUCCESS_USUAL,
	SUCCESS_ACCEPTED, /* 202 */
	SUCCESS_PARTIAL	  /* 206 */
} WriteSuccess;

/* What becomes of a word for which there are no statistics of a campaign. */
typedef enum UnknownStatistics
{
	STATISTICS_REFUSED,
	STATISTICS_NOT_FOUND,
	STATISTICS_EMPTY
} UnknownStatistics;

#define NO_QUOTA UINT32_MAX

typedef struct Settings
{
	uint32_t latency_ms;
	uint32_t quiet_ms; /* how long no request has come when an answer goes out */
	uint32_t untidy;   /* the data has what is ugly in Crisp's, too */

	uint32_t default_order;			/* DefaultOrder */
	uint32_t waiting_order;			/* WaitingOrder */
	uint32_t waiting_order_filters; /* order_date_waiting leaves out who doesn't wait */
	uint32_t date_bounds;			/* DateBounds of filter_date_* */
	uint32_t past_end;				/* a page after the last one is 404 */
	uint32_t full_last_page;		/* status of a last page that is full: 200 or 206 */
	uint32_t list_per_page;			/* where the API page tells no size */
	uint32_t visitors_per_page;
	uint32_t visitors_limited;

	uint32_t main_inbox_alone; /* what the plain list holds */
	uint32_t inbox_all;		   /* InboxAll */
	uint32_t unassign_body;	   /* UnassignBody */

	uint32_t honour_order;	  /* order_date_* */
	uint32_t honour_sort;	  /* sort_field and sort_order */
	uint32_t honour_filters;  /* filter_* */
	uint32_t honour_dates;	  /* filter_date_* */
	uint32_t honour_search;	  /* search_query, search_filter, search_text */
	uint32_t segments_filter; /* SegmentsFilter */
	uint32_t filter_values;	  /* FilterValues */

	uint32_t one_blocked;		/* visitors/blocked is an object: the first rule */
	uint32_t own_subscriptions; /* a plugin sees those to itself alone, not to all plugins */

	uint32_t messages_per_page;
	uint32_t messages_inclusive; /* timestamp_before and _after don't leave out the moment */
	uint32_t oldest_message;	 /* is meant by a fingerprint that several have, not the newest */

	uint32_t write_success;		 /* WriteSuccess */
	uint32_t failures_bare;		 /* data of changes that failed is {} */
	uint32_t email_case;		 /* addresses that differ in case alone are two */
	uint32_t email_reuse;		 /* a change may give a profile the address of another */
	uint32_t nulls_refused;		 /* 400 for a null in a change, which else removes */
	uint32_t meta_data_merged;	 /* data of a conversation's meta, with what is there */
	uint32_t unknown_inbox;		 /* is taken as an inbox */
	uint32_t event_time_ignored; /* an event's timestamp is when it came */

	uint32_t oldest_below_first; /* lists below a row, without messages, don't come newest first */
	uint32_t unknown_statistics; /* UnknownStatistics */
	uint32_t honour_statistics_size; /* per_page of statistics */

	uint32_t batch_limit;		  /* sessions of a request; UINT32_MAX for any number */
	uint32_t batch_gone_refused;  /* one that is gone makes 404, and nothing is changed */
	uint32_t batch_adds;		  /* segments and data are added to what is there */
	uint32_t batch_unassign_body; /* UnassignBody */

	uint32_t quota; /* requests that are left, or NO_QUOTA */
	uint32_t quota_status;
	uint32_t gzip; /* answers are packed for clients that accept it */

	uint64_t version; /* grows with each change */
} Settings;

/* Set all settings as at the start, with these of the command line; the version grows. */
extern void settings_start(Settings *settings, uint32_t latency_ms, bool untidy);

/* Set one; false, and what is wrong, for an unknown name or value. */
extern bool settings_set(Settings *settings, const char *name, json_object *value, Buffer *error);

/* Write all as members of an object. */
extern void settings_write(const Settings *settings, JsonWriter *writer);

/* Say whether filter_date_* are obeyed; whether other filter_* are. */
extern bool settings_have_dates(const Settings *settings);
extern bool settings_have_filters(const Settings *settings);

#endif /* SANDBOX_SETTINGS_H */
