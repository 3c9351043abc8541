/*-------------------------------------------------------------------------
 *
 * quota.c
 *		Count requests by token, server and day, across sessions and restarts.
 *
 * The file is an array of slots, one for each token and server.  A slot is claimed under a lock of
 * the file, which the kernel takes back from a process that dies, and never given back but to
 * another token once it's stale.  A day and its count are one 64-bit word, so that both change at
 * once: nobody sees the count of another day.  The kernel writes the pages back; what a crash of
 * the machine, not of PostgreSQL, takes are the last seconds.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/fd.h"

#include "api/quota.h"
#include "base/job_lock.h"

#define QUOTA_FILE "crisp_fdw.quota"

/* Changes with the layout: a file of another one is begun anew. */
#define QUOTA_MAGIC UINT64CONST(0x63726973710A0001)

/* Tokens and servers that are told apart. */
#define QUOTA_SLOTS 256

typedef struct QuotaSlot
{
	uint64 token; /* 0: free */
	Oid	   database;
	Oid	   server;
	int64  documented; /* what Crisp gives a token of this tier a day; 0: it doesn't say */
	pg_atomic_uint64
		days[QUOTA_DAYS]; /* at day modulo QUOTA_DAYS: the day, and below it the count */
} QuotaSlot;

typedef struct QuotaFile
{
	uint64	  magic;
	QuotaSlot slots[QUOTA_SLOTS];
} QuotaFile;

/* The mapped file; what is this process's own where there is none. */
static QuotaFile *quota = NULL;

int
quota_today(void)
{
	return (int) (time(NULL) / SECS_PER_DAY);
}

/*----------
 * The file
 *----------
 */

/*
 * Lock the file, or unlock it.  It is held for some microseconds.
 */
static void
lock_file(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

	while (fcntl(fd, F_SETLKW, &lock) < 0 && errno == EINTR)
		;
}

/*
 * Give the file its size, and begin it anew where it's of another layout.
 */
static bool
prepare_file(int fd)
{
	uint64		magic = 0;
	struct stat status;

	if (fstat(fd, &status) < 0)
		return false;
	if (status.st_size == sizeof(QuotaFile) &&
		pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) && magic == QUOTA_MAGIC)
		return true;
	magic = QUOTA_MAGIC;
	return ftruncate(fd, 0) == 0 && ftruncate(fd, sizeof(QuotaFile)) == 0 &&
		   pwrite(fd, &magic, sizeof(magic), 0) == sizeof(magic);
}

/*
 * Open the file, without a word of what may be wrong with it.
 */
static int
open_file(void)
{
	return open(QUOTA_FILE, O_RDWR | O_CREAT | O_CLOEXEC, pg_file_create_mode);
}

/*
 * Map the file; NULL where that can't be done.
 */
static QuotaFile *
map_file(void)
{
	int		   fd = open_file();
	QuotaFile *mapped = MAP_FAILED;

	if (fd < 0)
		return NULL;
	lock_file(fd, F_WRLCK);
	if (prepare_file(fd))
		mapped = mmap(NULL, sizeof(QuotaFile), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	lock_file(fd, F_UNLCK);
	close(fd);
	return mapped == MAP_FAILED ? NULL : mapped;
}

/*
 * Return the counts, mapped when they are wanted for the first time.
 */
static QuotaFile *
counts(void)
{
	static QuotaFile own;

	if (quota != NULL)
		return quota;
	quota = map_file();
	if (quota == NULL)
	{
		ereport(LOG, (errcode_for_file_access(),
					  errmsg("crisp_fdw cannot count requests in file \"%s\": %m", QUOTA_FILE),
					  errdetail("This session counts its own.")));
		quota = &own;
	}
	return quota;
}

/*----------
 * Slots
 *----------
 */

/*
 * Return a digest of a token, which tells nothing of it.
 */
static uint64
token_digest(const CrispOptions *options)
{
	uint64 digest = hash_bytes_extended((const unsigned char *) options->base_url,
										(int) strlen(options->base_url), 0);

	digest = hash_bytes_extended((const unsigned char *) options->identifier,
								 (int) strlen(options->identifier), digest);
	return digest == 0 ? 1 : digest;
}

static QuotaSlot *
find_slot(QuotaFile *file, uint64 token, Oid server)
{
	for (int i = 0; i < QUOTA_SLOTS; i++)
	{
		QuotaSlot *slot = &file->slots[i];

		if (slot->token == token && slot->database == MyDatabaseId && slot->server == server)
			return slot;
	}
	return NULL;
}

/*
 * Return a slot's newest day.
 */
static int
newest_day(QuotaSlot *slot)
{
	uint64 newest = 0;

	for (int i = 0; i < QUOTA_DAYS; i++)
		newest = Max(newest, pg_atomic_read_u64(&slot->days[i]));
	return (int) (newest >> 32);
}

/*
 * Claim the slot for a token and a server that was used longest ago, or never; NULL where all are
 * in use.
 */
static QuotaSlot *
claim_slot(QuotaFile *file, uint64 token, const CrispOptions *options)
{
	QuotaSlot *oldest = &file->slots[0];

	for (int i = 1; i < QUOTA_SLOTS; i++)
		if (newest_day(&file->slots[i]) < newest_day(oldest))
			oldest = &file->slots[i];
	if (newest_day(oldest) > quota_today() - QUOTA_DAYS)
		return NULL;

	oldest->token = 0;
	pg_write_barrier();
	for (int i = 0; i < QUOTA_DAYS; i++)
		pg_atomic_write_u64(&oldest->days[i], 0);
	oldest->database = MyDatabaseId;
	oldest->server = options->server_id;
	oldest->documented = option_daily_quota(options);
	pg_write_barrier();
	oldest->token = token;
	return oldest;
}

/*
 * Find the slot for a token and a server, or claim one, which no two sessions do at once.
 */
static QuotaSlot *
slot_of(QuotaFile *file, uint64 token, const CrispOptions *options)
{
	QuotaSlot *slot = find_slot(file, token, options->server_id);
	int		   fd;

	if (slot != NULL)
		return slot;
	fd = open_file();
	if (fd >= 0)
		lock_file(fd, F_WRLCK);
	slot = find_slot(file, token, options->server_id);
	if (slot == NULL)
		slot = claim_slot(file, token, options);
	if (fd >= 0)
		close(fd);
	return slot;
}

/*
 * Return how many requests a slot has of a day.
 */
static int64
requests_on(QuotaSlot *slot, int day)
{
	uint64 word = pg_atomic_read_u64(&slot->days[day % QUOTA_DAYS]);

	return word >> 32 == (uint64) day ? (int64) (word & PG_UINT32_MAX) : 0;
}

void
quota_count(const CrispOptions *options)
{
	QuotaSlot *slot = slot_of(counts(), token_digest(options), options);
	int		   day = quota_today();
	uint64	   before;
	uint64	   after;

	if (slot == NULL)
		return;
	before = pg_atomic_read_u64(&slot->days[day % QUOTA_DAYS]);
	do
	{
		after = before >> 32 == (uint64) day ? before + 1 : ((uint64) day << 32) + 1;
	} while (!pg_atomic_compare_exchange_u64(&slot->days[day % QUOTA_DAYS], &before, after));
}

/*
 * Return how many requests a token has made on a day, through all servers.
 */
static int64
token_requests(QuotaFile *file, uint64 token, int day)
{
	int64 requests = 0;

	for (int i = 0; i < QUOTA_SLOTS; i++)
		if (file->slots[i].token == token)
			requests += requests_on(&file->slots[i], day);
	return requests;
}

int
quota_allowed(const CrispOptions *options)
{
	if (job_is_running())
		return options->daily_requests;
	return Max(options->daily_requests - options->reserved_requests, 0);
}

int64
quota_left(const CrispOptions *options)
{
	if (options->daily_requests == 0)
		return PG_INT64_MAX;
	return Max(
		quota_allowed(options) - token_requests(counts(), token_digest(options), quota_today()), 0);
}

void
quota_visit(int first_day, QuotaVisitor visit, void *arg)
{
	QuotaFile *file = counts();

	for (int i = 0; i < QUOTA_SLOTS; i++)
	{
		QuotaSlot *slot = &file->slots[i];
		QuotaUse   use = {.database = slot->database,
						  .server = slot->server,
						  .token = slot->token,
						  .documented = slot->documented};

		if (use.token == 0)
			continue;
		for (use.day = first_day; use.day <= quota_today(); use.day++)
		{
			use.requests = requests_on(slot, use.day);
			use.token_requests = token_requests(file, use.token, use.day);
			if (use.requests > 0)
				visit(&use, arg);
		}
	}
}
