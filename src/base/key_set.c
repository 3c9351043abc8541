/*-------------------------------------------------------------------------
 *
 * key_set.c
 *		Keep the keys that a scan has returned, in bounded memory.
 *
 * A key takes 16 bytes: Crisp's keys are a UUID, mostly behind a prefix that all of a list share
 * ("session_"), and any other key is hashed with SHA-256.  No two different keys of that length are
 * known to share their first half of it, so no row is taken for another.
 *
 * The set begins as a hash table.  When that is full, its keys are sorted and written to a
 * temporary file, a run.  The first key of each block of a run stays in memory, so that a lookup
 * reads one block of it; a Bloom filter over all runs spares most keys that lookup.  Runs are
 * merged such that each is several times the size of the next, which keeps them few, and keeps the
 * work per key at the logarithm of their number.
 *
 * PostgreSQL has nothing that does this.  Whether a key is new must be known before its row goes
 * out, so what defers the keys that have no room (tuplesort, or the hash table of HashAgg, with
 * simplehash and logical tapes) can't be used.  Simpler ways were measured, in microseconds of
 * processor time for a key (0.7 of them make the test's keys), and megabytes written in all:
 *
 *     work_mem                       64 kB                     4 MB
 *     keys                           1e5         1e6           1e5        1e6        1e7
 *
 *     runs, as here                  7           11            1.0        1.2        6
 *                                    11 MB       191 MB        1 MB       58 MB      1,260 MB
 *     one run alone                  5           13            0.9        1.4
 *                                    51 MB       4,989 MB      1 MB       96 MB
 *     a hash table in a file         13          14            5.3        13
 *                                    2,291 MB    20,126 MB     784 MB     18,618 MB
 *     simplehash, all in memory      1.2         1.1           1.0        1.1        1.4
 *                                    (takes 6 MB for 1e5 keys, 48 MB for 1e6, 384 MB for 1e7)
 *
 * Where it's simpler to write, it's more that is written.  Runs take 16 bytes of disk for a key,
 * and for a moment, while they are merged, twice that.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "common/pg_prng.h"
#include "lib/bloomfilter.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/key_set.h"
#include "base/spill.h"
#include "base/compat.h"

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

#define KEYS_PER_BLOCK ((int) (BLCKSZ / sizeof(Key)))

/* What stands for a key; never all zero, which is an empty slot. */
typedef struct Key
{
	uint64 high;
	uint64 low;
} Key;

/* Keys in a temporary file, sorted. */
typedef struct Run
{
	Spill *keys;
	int64  nkeys;
	Key	  *first_keys; /* of each KEYS_PER_BLOCK */
} Run;

/* Reading a run from its beginning to its end. */
typedef struct RunReader
{
	const Run *run;
	int64	   place; /* of the next key */
	Key		   block[KEYS_PER_BLOCK];
} RunReader;

struct KeySet
{
	MemoryContext context;
	ResourceOwner owner;  /* of the temporary files */
	char		 *prefix; /* what stands before the UUID; NULL until the first such key */
	size_t		  prefix_length;

	Key	  *slots;  /* open addressing */
	Size   nslots; /* a power of two */
	Size   max_slots;
	Size   nkeys;
	uint64 seed; /* of hashes, so that no server knows which keys collide */

	int			  nruns;
	Run			 *runs[MAX_RUNS]; /* from the largest to the smallest */
	bloom_filter *filter;		  /* of all runs' keys, or NULL */
	Size		  filter_size;
};

/*----------
 * Keys
 *----------
 */

static bool
is_none(const Key *key)
{
	return key->high == 0 && key->low == 0;
}

/*
 * Compare keys in any total order.
 */
static int
compare_keys(const void *left, const void *right)
{
	const Key *a = left;
	const Key *b = right;

	if (a->high != b->high)
		return a->high < b->high ? -1 : 1;
	if (a->low != b->low)
		return a->low < b->low ? -1 : 1;
	return 0;
}

/*
 * Read the text of a UUID, of UUID_LENGTH bytes.  Take it in lower case only: otherwise two
 * different keys would give the same bytes.
 */
static bool
parse_uuid(const char *text, Key *result)
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
	return !is_none(result);
}

static Key
hash_text(const char *text, size_t length)
{
	Key	   result;
	bytea *input = (bytea *) cstring_to_text_with_len(text, (int) length);
	bytea *digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(input)));

	memcpy(&result, VARDATA_ANY(digest), sizeof(result));
	pfree(digest);
	pfree(input);
	return result;
}

/*
 * Make the 16 bytes that stand for a key.
 */
static Key
make_key(KeySet *set, const char *text, size_t length)
{
	Key	   result;
	size_t prefix_length;

	if (length < UUID_LENGTH || !parse_uuid(text + length - UUID_LENGTH, &result))
		return hash_text(text, length);
	prefix_length = length - UUID_LENGTH;
	if (set->prefix == NULL)
	{
		set->prefix = MemoryContextAlloc(set->context, prefix_length + 1);
		memcpy(set->prefix, text, prefix_length);
		set->prefix_length = prefix_length;
	}
	if (prefix_length != set->prefix_length || memcmp(text, set->prefix, prefix_length) != 0)
		return hash_text(text, length);
	return result;
}

/*----------
 * Runs
 *----------
 */

static Run *
run_create(KeySet *set, int64 max_keys)
{
	MemoryContext old_context = MemoryContextSwitchTo(set->context);
	Run			 *run = palloc0(sizeof(Run));
	int64		  nblocks = (max_keys + KEYS_PER_BLOCK - 1) / KEYS_PER_BLOCK;

	run->first_keys = MemoryContextAllocHuge(set->context, (Size) nblocks * sizeof(Key));
	run->keys = spill_create(set->context, 0, set->owner);
	MemoryContextSwitchTo(old_context);
	return run;
}

/*
 * Append a block of keys; all but the last are full.
 */
static void
run_append(Run *run, const Key *keys, int nkeys)
{
	CHECK_FOR_INTERRUPTS();
	run->first_keys[run->nkeys / KEYS_PER_BLOCK] = keys[0];
	spill_append(run->keys, keys, (Size) nkeys * sizeof(Key));
	run->nkeys += nkeys;
}

/*
 * Read a block, of KEYS_PER_BLOCK keys.  Return how many it has.
 */
static int
run_read(const Run *run, int64 number, Key *block)
{
	int64 first = number * KEYS_PER_BLOCK;
	int	  nkeys = (int) Min(run->nkeys - first, KEYS_PER_BLOCK);

	spill_read(run->keys, first * (int64) sizeof(Key), block, (Size) nkeys * sizeof(Key));
	return nkeys;
}

static void
run_free(Run *run)
{
	spill_end(run->keys);
	pfree(run->first_keys);
	pfree(run);
}

static bool
run_has(const Run *run, const Key *key)
{
	int64 low = 0;
	int64 high = (run->nkeys + KEYS_PER_BLOCK - 1) / KEYS_PER_BLOCK;
	Key	  block[KEYS_PER_BLOCK];
	int	  nkeys;

	/* Find the first block whose first key is greater: the key can be in the one before only. */
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
	nkeys = run_read(run, low - 1, block);
	return bsearch(key, block, nkeys, sizeof(Key), compare_keys) != NULL;
}

/*
 * Return the next key of a run, or NULL at its end.
 */
static const Key *
reader_peek(RunReader *reader)
{
	if (reader->place == reader->run->nkeys)
		return NULL;
	if (reader->place % KEYS_PER_BLOCK == 0)
		(void) run_read(reader->run, reader->place / KEYS_PER_BLOCK, reader->block);
	return &reader->block[reader->place % KEYS_PER_BLOCK];
}

/*
 * Make one run of two, which have no key in common.
 */
static Run *
merge_two(KeySet *set, const Run *left, const Run *right)
{
	Run		  *merged = run_create(set, left->nkeys + right->nkeys);
	RunReader *a = MemoryContextAllocZero(set->context, sizeof(RunReader));
	RunReader *b = MemoryContextAllocZero(set->context, sizeof(RunReader));
	Key		   block[KEYS_PER_BLOCK];
	int		   filled = 0;
	const Key *key_a;
	const Key *key_b;

	a->run = left;
	b->run = right;
	key_a = reader_peek(a);
	key_b = reader_peek(b);
	while (key_a != NULL || key_b != NULL)
	{
		if (key_b == NULL || (key_a != NULL && compare_keys(key_a, key_b) < 0))
		{
			block[filled++] = *key_a;
			a->place++;
			key_a = reader_peek(a);
		}
		else
		{
			block[filled++] = *key_b;
			b->place++;
			key_b = reader_peek(b);
		}
		if (filled == KEYS_PER_BLOCK || (key_a == NULL && key_b == NULL))
		{
			run_append(merged, block, filled);
			filled = 0;
		}
	}
	pfree(a);
	pfree(b);
	return merged;
}

/*
 * Merge runs until each is several times the size of the next again.
 */
static void
merge_runs(KeySet *set)
{
	while (set->nruns > 1)
	{
		Run *left = set->runs[set->nruns - 2];
		Run *right = set->runs[set->nruns - 1];

		if (left->nkeys >= RUN_RATIO * right->nkeys)
			break;
		set->runs[set->nruns - 2] = merge_two(set, left, right);
		set->nruns--;
		run_free(left);
		run_free(right);
	}
}

static bool
runs_have(const KeySet *set, Key *key)
{
	if (set->filter != NULL && bloom_lacks_element(set->filter, (unsigned char *) key, sizeof(Key)))
		return false;
	for (int i = 0; i < set->nruns; i++)
		if (run_has(set->runs[i], key))
			return true;
	return false;
}

/*----------
 * The table
 *----------
 */

/*
 * Find a key's slot in the table, or the empty slot where it belongs.
 */
static Key *
find_slot(const KeySet *set, Key *slots, Size nslots, const Key *key)
{
	Size slot = hash_bytes_extended((const unsigned char *) key, sizeof(Key), set->seed) &
				(nslots - 1);

	while (!is_none(&slots[slot]) && compare_keys(&slots[slot], key) != 0)
		slot = (slot + 1) & (nslots - 1);
	return &slots[slot];
}

static void
grow_table(KeySet *set)
{
	Size nslots = set->nslots * 2;
	Key *slots = MemoryContextAllocExtended(set->context, nslots * sizeof(Key),
											MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);

	for (Size i = 0; i < set->nslots; i++)
		if (!is_none(&set->slots[i]))
			*find_slot(set, slots, nslots, &set->slots[i]) = set->slots[i];
	pfree(set->slots);
	set->slots = slots;
	set->nslots = nslots;
}

/*
 * Write the table's keys to a run, and empty it.
 *
 * The filter gets two hash functions (which is what three bits for each expected key ask for): with
 * two it is as good as with more while there are few keys for its size, and of use for much longer
 * when there are many.
 */
static void
spill_table(KeySet *set)
{
	Size nkeys = 0;
	Run *run;

	for (Size i = 0; i < set->nslots; i++)
		if (!is_none(&set->slots[i]))
			set->slots[nkeys++] = set->slots[i];
	qsort(set->slots, nkeys, sizeof(Key), compare_keys);

	if (set->nruns == 0 && set->filter_size >= MIN_FILTER_SIZE)
	{
		MemoryContext old_context = MemoryContextSwitchTo(set->context);

		set->filter = bloom_create((int64) set->filter_size * 8 / 3,
								   (int) Min(set->filter_size / 1024, PG_INT32_MAX), set->seed);
		MemoryContextSwitchTo(old_context);
	}

	run = run_create(set, (int64) nkeys);
	for (Size i = 0; i < nkeys; i += KEYS_PER_BLOCK)
		run_append(run, set->slots + i, (int) Min(nkeys - i, (Size) KEYS_PER_BLOCK));
	for (Size i = 0; set->filter != NULL && i < nkeys; i++)
		bloom_add_element(set->filter, (unsigned char *) &set->slots[i], sizeof(Key));

	memset(set->slots, 0, set->nslots * sizeof(Key));
	set->nkeys = 0;
	set->runs[set->nruns++] = run;
	merge_runs(set);
}

/*----------
 * The set
 *----------
 */

/*
 * Make an empty set.  Its temporary files will belong to the resource owner of now, whatever is
 * current when they are made: a cursor may be read in a subtransaction that doesn't live as long as
 * it does.  A tuplestore does it the same way.
 */
KeySet *
key_set_create(Size memory_limit)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw seen keys",
												  ALLOCSET_DEFAULT_SIZES);
	KeySet		 *set = MemoryContextAllocZero(context, sizeof(KeySet));

	set->context = context;
	set->owner = CurrentResourceOwner;

	/* Half of the memory is for the table, a quarter for the filter, some for the first keys. */
	set->max_slots = MIN_SLOTS;
	while (set->max_slots * 2 * sizeof(Key) <= memory_limit / 2)
		set->max_slots *= 2;
	set->filter_size = memory_limit / 4;
	set->nslots = MIN_SLOTS;
	set->slots = MemoryContextAllocZero(context, MIN_SLOTS * sizeof(Key));
	set->seed = pg_prng_uint64(&pg_global_prng_state);
	return set;
}

/*
 * Find a key's slot, which is empty where only a run has the key, or none does.  Returns whether
 * the set has it.
 */
static bool
find_key(const KeySet *set, Key *key, Key **slot)
{
	*slot = find_slot(set, set->slots, set->nslots, key);
	return !is_none(*slot) || (set->nruns > 0 && runs_have(set, key));
}

bool
key_set_has(KeySet *set, const char *key, size_t length)
{
	Key	 made = make_key(set, key, length);
	Key *slot;

	return find_key(set, &made, &slot);
}

bool
key_set_add(KeySet *set, const char *key, size_t length)
{
	Key	 made = make_key(set, key, length);
	Key *slot;

	if (find_key(set, &made, &slot))
		return false;
	*slot = made;
	set->nkeys++;
	if (set->nkeys >= FULL(set->nslots))
	{
		if (set->nslots < set->max_slots)
			grow_table(set);
		else
			spill_table(set);
	}
	return true;
}

bool
key_set_is_empty(const KeySet *set)
{
	return set->nkeys == 0 && set->nruns == 0;
}

void
key_set_free(KeySet *set)
{
	for (int i = 0; i < set->nruns; i++)
		run_free(set->runs[i]);
	MemoryContextDelete(set->context);
}
