/*
 * collection.h
 *		Keep a list of rows of one resource, with its sorted indexes.
 *
 * A row is a small struct; its JSON text is written from the seed and the
 * row's number each time that it is asked for, so that a million rows fit in
 * memory.  A row that was changed from outside has a text of its own.
 */
#ifndef SANDBOX_COLLECTION_H
#define SANDBOX_COLLECTION_H

#include <json-c/json.h>

#include "json_writer.h"
#include "random.h"

#define NO_TIME INT64_MIN /* the row lacks this time */
#define NO_ROW UINT32_MAX
#define KEY_SIZE 64 /* enough for any generated key */

/* All times are Unix epoch milliseconds. */
typedef enum SortKey
{
	SORT_UPDATED,
	SORT_CREATED,
	SORT_WAITING,
	SORT_ACTIVE,
	SORT_STORED, /* as generated, unrelated to any time */
	SORT_STATE,	 /* as the inbox shows conversations: see state_value() */
	SORT_KEY_COUNT
} SortKey;

typedef enum ConversationState
{
	STATE_PENDING,
	STATE_UNRESOLVED,
	STATE_RESOLVED,
	STATE_NONE /* missing, or not one of the above */
} ConversationState;

#define ROW_EMPTY 0x01	 /* a conversation without messages */
#define ROW_MENTION 0x02 /* mentions somebody */
#define ROW_DELETED 0x04
#define ROW_UNREAD 0x08	  /* unread by the operators */
#define ROW_VERBATIM 0x10 /* its own text is served as it is, never rewritten */

/* What a row with a text of its own was found to hold; NULL where absent. */
typedef struct RowText
{
	char  *text;
	size_t len;
	char  *key;
	char  *email;
	char  *people_id;
	char  *inbox_id;
	char  *assigned_id;
} RowText;

typedef struct Row
{
	int64_t	 times[SORT_STORED]; /* by SortKey; NO_TIME where missing */
	RowText *own;				 /* NULL: the text is generated */
	uint32_t number;			 /* what the text is generated from */
	uint32_t segments;			 /* bit mask over lexicon_segments */
	uint32_t person;			 /* number of the profile, or NO_ROW */
	int16_t	 inbox;				 /* number of the inbox, or -1 */
	int16_t	 operator_number;	 /* whom it is assigned to, or -1 */
	uint8_t	 state;				 /* ConversationState */
	uint8_t	 flags;
} Row;

/* Clear what lists are sorted and filtered by. */
extern void row_clear_facts(Row *row);

typedef struct Collection Collection;
struct Website;

/* What differs from resource to resource. */
typedef struct ResourceType
{
	const char *name;		  /* as control requests call it */
	const char *key_path;	  /* where its key is, in dots */
	const char *created_path; /* where its times are; NULL: nowhere */
	const char *updated_path;
	bool		is_log; /* its rows lie below another, newest first, and several may have one key */

	/* Fills the row (zeroed but for its number) from the seed. */
	void (*generate)(const Collection *collection, Row *row);

	/* Writes the members of the row's object as one JSON value. */
	void (*write)(const Collection *collection, const Row *row, JsonWriter *writer);

	/* The key of a generated row. */
	void (*key)(const Collection *collection, uint32_t number, char key[KEY_SIZE]);

	/* The number behind a key; NULL: the rows are few, and are searched. */
	bool (*number)(const Collection *collection, const char *key, uint32_t *number);

	/* Takes filterable facts from a text's tree into the row; NULL: there are none. */
	void (*facts)(const Collection *collection, json_object *tree, Row *row);
} ResourceType;

/* Row numbers, newest first; rows without the time last; then by row, newest first. */
typedef struct RowIndex
{
	uint32_t *ids;
	size_t	  count;
	size_t	  capacity;
} RowIndex;

struct Collection
{
	const ResourceType	 *type;
	const struct Website *website;
	uint32_t			  owner; /* of a list below a row of another: that row's number */
	uint64_t			  seed;	 /* of this list alone */
	Row					 *rows;
	size_t				  row_count; /* deleted ones included */
	size_t				  row_capacity;
	size_t				  generated;   /* rows that exist without any change */
	uint64_t			  version;	   /* grows with each change */
	int64_t				  newest_gone; /* the latest update of all rows that were deleted; or 0 */

	/* Per sort key: all rows, and those that are not empty. */
	RowIndex		 indexes[SORT_KEY_COUNT][2];
	struct lh_table *own_keys; /* keys of rows with own text -> row id + 1 */
};

/* Fill a zeroed collection with "count" generated rows. */
extern void collection_init(Collection *collection, const ResourceType *type,
							const struct Website *website, uint64_t seed, uint32_t owner,
							size_t count);
extern void collection_free(Collection *collection);

/* Return the rows in the order of "sort"; without empty ones unless asked for. */
extern const RowIndex *collection_index(const Collection *collection, SortKey sort,
										bool include_empty);

/* Return what the order is by; NO_TIME where the row lacks it. */
extern int64_t collection_sort_value(const Collection *collection, uint32_t id, SortKey sort);

/*
 * Return how many rows of the index come before the first whose time is "time" or older; those
 * without the time are taken as oldest.
 */
extern size_t collection_rank(const Collection *collection, const RowIndex *index, SortKey sort,
							  int64_t time);

/* Return the row id of the living row with this key, or NO_ROW. */
extern uint32_t collection_find(const Collection *collection, const char *key);

/* Write the row's key, or return false when it has none. */
extern bool collection_key(const Collection *collection, uint32_t id, Buffer *key);

/* Write the row's element, as lists and single objects have it. */
extern void collection_write(const Collection *collection, uint32_t id, JsonWriter *writer);

/* Return the row's text as a tree, which the caller puts; NULL where it is no JSON. */
extern json_object *collection_tree(const Collection *collection, uint32_t id);

/* Change rows.  Ids stay valid; a deleted row's id is never used again. */
extern void collection_delete(Collection *collection, uint32_t id);
extern void collection_clear(Collection *collection); /* deletes all rows */

/* Add one more row, not empty, whose times are all "at", and return its id. */
extern uint32_t collection_generate(Collection *collection, int64_t at);
extern void collection_set_time(Collection *collection, uint32_t id, SortKey sort, int64_t time);

/*
 * Give the row this text (copied), or with NO_ROW add a row, and return its id.  Facts and times
 * are taken from the text; "verbatim" keeps the row's times and never rewrites the text.
 */
extern uint32_t collection_set_text(Collection *collection, uint32_t id, const char *text,
									size_t len, bool verbatim);

/* Return the time of the newest row by "sort", or NO_TIME. */
extern int64_t collection_newest(const Collection *collection, SortKey sort);

/* Set or clear the row's flag, with the indexes following. */
extern void collection_set_flag(Collection *collection, uint32_t id, uint8_t flag, bool on);

#endif /* SANDBOX_COLLECTION_H */
