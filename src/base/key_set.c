/*-------------------------------------------------------------------------
 *
 * key_set.c
 *		The keys that a scan has returned, in bounded memory.
 *
 * A key takes 16 bytes: Crisp's keys are a UUID, mostly behind a prefix that
 * all of a list share ("session_"), and any other key is hashed with SHA-256.
 * No two different keys of that length are known to share their first half of
 * it, so the set is exact for all that can happen.
 *
 * The set begins as a hash table.  When that is full, its keys are sorted and
 * written to a temporary file, a run.  The first key of each block of a run
 * stays in memory, so that a lookup reads one block of it; a Bloom filter over
 * all runs spares most keys that lookup.  Runs are merged such that each is
 * several times the size of the next, which keeps them few, and keeps the
 * work per key at the logarithm of their number.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "lib/bloomfilter.h"
#include "miscadmin.h"
#include "storage/buffile.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#include "base/key_set.h"

/* Text of a UUID: five groups of lower-case hexadecimal digits. */
#define UUID_LENGTH 36

/* Keys fill the table to at most this part of it, which keeps probing short. */
#define FULL(slots) ((slots) / 4 * 3)
#define MIN_SLOTS 1024

/* A run is merged with the next one once it is less than this many times its size. */
#define RUN_RATIO 4

/* Enough for any number of keys, since each run is RUN_RATIO times the next. */
#define MAX_RUNS 32

/* The smallest filter that PostgreSQL makes. */
#define MIN_FILTER_SIZE ((Size) 1024 * 1024)

#define KEYS_PER_BLOCK ((int) (BLCKSZ / sizeof(SeenKey)))

typedef struct SeenKey
{
	uint64 high;
	uint64 low;
} SeenKey;

/* Keys in a temporary file, sorted, in blocks of KEYS_PER_BLOCK. */
typedef struct SeenRun
{
	BufFile *file;
	int64	 nkeys;
	int64	 nblocks;
	int64	 max_blocks; /* that first_keys has room for */
	SeenKey *first_keys; /* one for each block */
} SeenRun;

/* Reading a run from its beginning to its end. */
typedef struct RunReader
{
	SeenRun *run;
	int64	 left; /* keys not yet in block */
	int		 next; /* in block */
	int		 filled;
	SeenKey	 block[KEYS_PER_BLOCK];
} RunReader;

struct KeySet
{
	MemoryContext context;
	ResourceOwner owner;  /* of the temporary files */
	char		 *prefix; /* what stands before the UUID; NULL until the first such key */
	size_t		  prefix_length;

	SeenKey *slots;	 /* open addressing; all zero is empty */
	Size	 nslots; /* a power of two */
	Size	 max_slots;
	Size	 nkeys;
	bool	 has_zero; /* the key that is all zero is in the set */

	int			  nruns; /* from the largest to the smallest */
	SeenRun		 *runs[MAX_RUNS];
	bloom_filter *filter; /* of all runs' keys, or NULL */
	Size		  filter_size;
	SeenKey		 *block; /* for lookups and for writing */
};

static SeenKey	  make_key(KeySet *seen, const char *key, size_t length);
static bool		  parse_uuid(const char *text, SeenKey *result);
static SeenKey	  hash_key(const char *key, size_t length);
static Size		  find_slot(const SeenKey *slots, Size nslots, const SeenKey *key);
static void		  grow_table(KeySet *seen);
static void		  spill_table(KeySet *seen);
static bool		  runs_have(KeySet *seen, SeenKey *key);
static bool		  run_has(KeySet *seen, SeenRun *run, const SeenKey *key);
static int		  compare_keys(const void *left, const void *right);
static SeenRun	 *run_create(KeySet *seen, int64 nkeys);
static void		  run_write(SeenRun *run, SeenKey *keys, int nkeys);
static void		  run_free(SeenRun *run);
static void		  merge_runs(KeySet *seen);
static SeenRun	 *merge_two(KeySet *seen, SeenRun *left, SeenRun *right);
static RunReader *reader_begin(SeenRun *run);
static SeenKey	 *reader_peek(RunReader *reader);
static void		  read_file(BufFile *file, void *buffer, size_t size);

/*
 * key_set_create -- an empty set
 *
 * The temporary files will belong to the resource owner of now, whatever is
 * current when they are made: a cursor may be read in a subtransaction that
 * doesn't live as long as it does.  A tuplestore does it the same way.
 */
KeySet *
key_set_create(Size memory_limit)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw seen keys",
												  ALLOCSET_DEFAULT_SIZES);
	KeySet		 *seen = MemoryContextAllocZero(context, sizeof(KeySet));

	seen->context = context;
	seen->owner = CurrentResourceOwner;

	/* Half of the memory is for the table, a quarter for the filter, some for the first keys. */
	seen->max_slots = MIN_SLOTS;
	while (seen->max_slots * 2 * sizeof(SeenKey) <= memory_limit / 2)
		seen->max_slots *= 2;
	seen->filter_size = memory_limit / 4;
	seen->nslots = MIN_SLOTS;
	seen->slots = MemoryContextAllocZero(context, MIN_SLOTS * sizeof(SeenKey));
	return seen;
}

/*
 * key_set_add -- add a key, and tell whether it is new
 */
bool
key_set_add(KeySet *seen, const char *key, size_t length)
{
	SeenKey made = make_key(seen, key, length);
	Size	slot;

	if (made.high == 0 && made.low == 0)
	{
		bool is_new = !seen->has_zero;

		seen->has_zero = true;
		return is_new;
	}

	slot = find_slot(seen->slots, seen->nslots, &made);
	if (seen->slots[slot].high != 0 || seen->slots[slot].low != 0)
		return false;
	if (seen->nruns > 0 && runs_have(seen, &made))
		return false;

	seen->slots[slot] = made;
	seen->nkeys++;
	if (seen->nkeys >= FULL(seen->nslots))
	{
		if (seen->nslots < seen->max_slots)
			grow_table(seen);
		else
			spill_table(seen);
	}
	return true;
}

/*
 * key_set_free -- release the set
 */
bool
key_set_is_empty(const KeySet *seen)
{
	return seen->nkeys == 0 && !seen->has_zero && seen->nruns == 0;
}

void
key_set_free(KeySet *seen)
{
	for (int i = 0; i < seen->nruns; i++)
		run_free(seen->runs[i]);
	MemoryContextDelete(seen->context);
}

/*
 * make_key -- the 16 bytes that stand for a key
 */
static SeenKey
make_key(KeySet *seen, const char *key, size_t length)
{
	SeenKey result;
	size_t	prefix_length;

	if (length < UUID_LENGTH)
		return hash_key(key, length);
	prefix_length = length - UUID_LENGTH;
	if (!parse_uuid(key + prefix_length, &result))
		return hash_key(key, length);

	if (seen->prefix == NULL)
	{
		seen->prefix = MemoryContextAlloc(seen->context, prefix_length + 1);
		memcpy(seen->prefix, key, prefix_length);
		seen->prefix_length = prefix_length;
	}
	if (prefix_length != seen->prefix_length || memcmp(key, seen->prefix, prefix_length) != 0)
		return hash_key(key, length);
	return result;
}

/*
 * parse_uuid -- read the text of a UUID, of UUID_LENGTH bytes
 *
 * Only lower case: otherwise two different keys would give the same bytes.
 */
static bool
parse_uuid(const char *text, SeenKey *result)
{
	uint64 halves[2] = {0, 0};
	int	   ndigits = 0;

	for (int i = 0; i < UUID_LENGTH; i++)
	{
		char c = text[i];
		int	 digit;

		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (c != '-')
				return false;
			continue;
		}
		if (c >= '0' && c <= '9')
			digit = c - '0';
		else if (c >= 'a' && c <= 'f')
			digit = c - 'a' + 10;
		else
			return false;
		halves[ndigits / 16] = (halves[ndigits / 16] << 4) | (uint64) digit;
		ndigits++;
	}
	result->high = halves[0];
	result->low = halves[1];
	return true;
}

static SeenKey
hash_key(const char *key, size_t length)
{
	SeenKey result;
	bytea  *input = (bytea *) cstring_to_text_with_len(key, (int) length);
	bytea  *digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(input)));

	memcpy(&result, VARDATA_ANY(digest), sizeof(result));
	pfree(digest);
	pfree(input);
	return result;
}

/*
 * find_slot -- where a key is in the table, or the empty slot where it belongs
 */
static Size
find_slot(const SeenKey *slots, Size nslots, const SeenKey *key)
{
	Size slot = hash_bytes((const unsigned char *) key, sizeof(SeenKey)) & (nslots - 1);

	while ((slots[slot].high != 0 || slots[slot].low != 0) &&
		   (slots[slot].high != key->high || slots[slot].low != key->low))
		slot = (slot + 1) & (nslots - 1);
	return slot;
}

/*
 * grow_table -- double the table
 */
static void
grow_table(KeySet *seen)
{
	Size	 nslots = seen->nslots * 2;
	SeenKey *slots = MemoryContextAllocExtended(seen->context, nslots * sizeof(SeenKey),
												MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (Size i = 0; i < seen->nslots; i++)
	{
		const SeenKey *key = &seen->slots[i];

		if (key->high != 0 || key->low != 0)
			slots[find_slot(slots, nslots, key)] = *key;
	}
	pfree(seen->slots);
	seen->slots = slots;
	seen->nslots = nslots;
}

/*
 * spill_table -- write the table's keys to a run, and empty it
 *
 * The filter gets two hash functions (which is what three bits for each
 * expected key ask for): with two it is as good as with more while there are
 * few keys for its size, and of use for much longer when there are many.
 */
static void
spill_table(KeySet *seen)
{
	Size	 nkeys = 0;
	SeenRun *run;

	for (Size i = 0; i < seen->nslots; i++)
	{
		if (seen->slots[i].high != 0 || seen->slots[i].low != 0)
			seen->slots[nkeys++] = seen->slots[i];
	}
	qsort(seen->slots, nkeys, sizeof(SeenKey), compare_keys);

	if (seen->nruns == 0)
	{
		MemoryContext old_context = MemoryContextSwitchTo(seen->context);

		seen->block = palloc(BLCKSZ);
		if (seen->filter_size >= MIN_FILTER_SIZE)
			seen->filter = bloom_create((int64) seen->filter_size * 8 / 3,
										(int) Min(seen->filter_size / 1024, PG_INT32_MAX), 0);
		MemoryContextSwitchTo(old_context);
	}

	run = run_create(seen, (int64) nkeys);
	for (Size i = 0; i < nkeys; i += KEYS_PER_BLOCK)
		run_write(run, seen->slots + i, (int) Min(nkeys - i, (Size) KEYS_PER_BLOCK));
	for (Size i = 0; seen->filter != NULL && i < nkeys; i++)
		bloom_add_element(seen->filter, (unsigned char *) &seen->slots[i], sizeof(SeenKey));

	memset(seen->slots, 0, seen->nslots * sizeof(SeenKey));
	seen->nkeys = 0;
	seen->runs[seen->nruns++] = run;
	merge_runs(seen);
}

/*
 * runs_have -- is a key in one of the runs?
 */
static bool
runs_have(KeySet *seen, SeenKey *key)
{
	if (seen->filter != NULL &&
		bloom_lacks_element(seen->filter, (unsigned char *) key, sizeof(SeenKey)))
		return false;
	for (int i = 0; i < seen->nruns; i++)
	{
		if (run_has(seen, seen->runs[i], key))
			return true;
	}
	return false;
}

/*
 * run_has -- is a key in this run?
 */
static bool
run_has(KeySet *seen, SeenRun *run, const SeenKey *key)
{
	int64 low = 0;
	int64 high = run->nblocks;
	int64 nkeys;

	/* Find the last block whose first key isn't greater. */
	while (low < high)
	{
		int64 middle = low + (high - low) / 2;

		if (compare_keys(&run->first_keys[middle], key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return false;
	low--;

	nkeys = Min(run->nkeys - low * KEYS_PER_BLOCK, KEYS_PER_BLOCK);
	if (BufFileSeekBlock(run->file, low) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not seek in the temporary file of seen keys")));
	read_file(run->file, seen->block, nkeys * sizeof(SeenKey));
	return bsearch(key, seen->block, nkeys, sizeof(SeenKey), compare_keys) != NULL;
}

/*
 * compare_keys -- any total order does
 */
static int
compare_keys(const void *left, const void *right)
{
	const SeenKey *a = left;
	const SeenKey *b = right;

	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	return 0;
}

/*
 * run_create -- an empty run with room for nkeys
 */
static SeenRun *
run_create(KeySet *seen, int64 nkeys)
{
	MemoryContext old_context = MemoryContextSwitchTo(seen->context);
	ResourceOwner old_owner = CurrentResourceOwner;
	SeenRun		 *run = palloc0(sizeof(SeenRun));

	run->max_blocks = (nkeys + KEYS_PER_BLOCK - 1) / KEYS_PER_BLOCK;
	run->first_keys = MemoryContextAllocHuge(seen->context, run->max_blocks * sizeof(SeenKey));
	CurrentResourceOwner = seen->owner;
	run->file = BufFileCreateTemp(false);
	CurrentResourceOwner = old_owner;
	MemoryContextSwitchTo(old_context);
	return run;
}

/*
 * run_write -- append a block; all but the last are full
 */
static void
run_write(SeenRun *run, SeenKey *keys, int nkeys)
{
	Assert(run->nblocks < run->max_blocks);
	CHECK_FOR_INTERRUPTS();
	run->first_keys[run->nblocks++] = keys[0];
	run->nkeys += nkeys;
	(void) BufFileWrite(run->file, keys, nkeys * sizeof(SeenKey));
}

static void
run_free(SeenRun *run)
{
	BufFileClose(run->file);
	pfree(run->first_keys);
	pfree(run);
}

/*
 * merge_runs -- have each run several times the size of the next again
 */
static void
merge_runs(KeySet *seen)
{
	while (seen->nruns > 1)
	{
		SeenRun *left = seen->runs[seen->nruns - 2];
		SeenRun *right = seen->runs[seen->nruns - 1];

		if (left->nkeys >= RUN_RATIO * right->nkeys)
			break;
		seen->runs[seen->nruns - 2] = merge_two(seen, left, right);
		seen->nruns--;
		run_free(left);
		run_free(right);
	}
}

/*
 * merge_two -- all keys of two runs, which have none in common, in a new one
 */
static SeenRun *
merge_two(KeySet *seen, SeenRun *left, SeenRun *right)
{
	SeenRun	  *merged = run_create(seen, left->nkeys + right->nkeys);
	RunReader *readers[2] = {reader_begin(left), reader_begin(right)};
	int		   filled = 0;

	for (;;)
	{
		SeenKey	  *a = reader_peek(readers[0]);
		SeenKey	  *b = reader_peek(readers[1]);
		RunReader *from;

		if (a == NULL && b == NULL)
			break;
		if (a == NULL)
			from = readers[1];
		else
			from = b == NULL || compare_keys(a, b) < 0 ? readers[0] : readers[1];
		seen->block[filled++] = from->block[from->next++];
		if (filled == KEYS_PER_BLOCK)
		{
			run_write(merged, seen->block, filled);
			filled = 0;
		}
	}
	if (filled > 0)
		run_write(merged, seen->block, filled);
	pfree(readers[0]);
	pfree(readers[1]);
	return merged;
}

/*
 * reader_begin -- read a run from the beginning
 */
static RunReader *
reader_begin(SeenRun *run)
{
	RunReader *reader = palloc(sizeof(RunReader));

	reader->run = run;
	reader->left = run->nkeys;
	reader->next = 0;
	reader->filled = 0;
	if (BufFileSeekBlock(run->file, 0) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not rewind the temporary file of seen keys")));
	return reader;
}

/*
 * reader_peek -- the next key, or NULL at the end
 */
static SeenKey *
reader_peek(RunReader *reader)
{
	if (reader->next == reader->filled)
	{
		reader->filled = (int) Min(reader->left, KEYS_PER_BLOCK);
		reader->next = 0;
		if (reader->filled == 0)
			return NULL;
		read_file(reader->run->file, reader->block, reader->filled * sizeof(SeenKey));
		reader->left -= reader->filled;
	}
	return &reader->block[reader->next];
}

/*
 * read_file -- read exactly that many bytes
 */
static void
read_file(BufFile *file, void *buffer, size_t size)
{
#if PG_VERSION_NUM >= 160000
	BufFileReadExact(file, buffer, size);
#else
	if (BufFileRead(file, buffer, size) != size)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read from the temporary file of seen keys")));
#endif
}
