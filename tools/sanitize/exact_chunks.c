/*-------------------------------------------------------------------------
 *
 * exact_chunks.c
 *		Let each chunk of PostgreSQL's memory contexts be a malloc of its exact size.
 *
 * For a PostgreSQL 15 that was built without sanitizers, as Debian's is.  The dynamic linker loads
 * this library into it (LD_PRELOAD), after that of AddressSanitizer.  Before main() runs, the
 * functions that create contexts are overwritten with a jump to one that creates contexts of our
 * own.  So AddressSanitizer knows of every chunk where it ends and whether it's freed, and an
 * extension that was built with it is seen to use what it mustn't.  A freed chunk is used for no
 * other before the quarantine of AddressSanitizer is full, and is filled with rubbish, which the
 * server itself, whose own accesses aren't checked, stumbles over.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dlfcn.h>
#include <libintl.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/ilist.h"
#include "nodes/memnodes.h"
#include "utils/memutils.h"

#if PG_VERSION_NUM / 10000 != 15
#error "contexts have other functions in other releases"
#endif

/* What precedes the bytes of a chunk.  PostgreSQL looks for the context right before the bytes. */
typedef struct Chunk
{
	dlist_node	  node;
	Size		  size;
	MemoryContext context;
} Chunk;

typedef struct ExactContext
{
	MemoryContextData header;
	dlist_head		  chunks;
} ExactContext;

StaticAssertDecl(sizeof(Chunk) % MAXIMUM_ALIGNOF == 0, "what follows a chunk's head is aligned");
StaticAssertDecl(sizeof(Chunk) == offsetof(Chunk, context) + sizeof(MemoryContext),
				 "PostgreSQL looks for the context right before the bytes");

/* Nobody but us may look at a chunk's head, but for the context. */
#define GUARDED_SIZE offsetof(Chunk, context)

static Chunk *
chunk_of(void *pointer)
{
	return (Chunk *) pointer - 1;
}

static void *
exact_alloc(MemoryContext context, Size size)
{
	ExactContext *exact = (ExactContext *) context;
	Chunk		 *chunk = malloc(sizeof(Chunk) + size);

	if (chunk == NULL)
		return NULL;
	chunk->size = size;
	chunk->context = context;
	dlist_push_tail(&exact->chunks, &chunk->node);
	context->mem_allocated += sizeof(Chunk) + size;
	__asan_poison_memory_region(chunk, GUARDED_SIZE);
	return chunk + 1;
}

static void
exact_free(MemoryContext context, void *pointer)
{
	Chunk *chunk = chunk_of(pointer);

	/* Accesses of this library aren't checked.  A chunk that was freed before, free() reports. */
	if (!__asan_address_is_poisoned(&chunk->context))
	{
		dlist_delete(&chunk->node);
		context->mem_allocated -= sizeof(Chunk) + chunk->size;
	}
	free(chunk);
}

/*
 * The chunk always moves, so that who still has its old address is found out.
 */
static void *
exact_realloc(MemoryContext context, void *pointer, Size size)
{
	Chunk *chunk = chunk_of(pointer);
	void  *result = exact_alloc(context, size);

	if (result == NULL)
		return NULL;
	memcpy(result, pointer, Min(size, chunk->size));
	exact_free(context, pointer);
	return result;
}

static void
exact_reset(MemoryContext context)
{
	ExactContext	  *exact = (ExactContext *) context;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &exact->chunks) free(dlist_container(Chunk, node, iter.cur));
	dlist_init(&exact->chunks);
	context->mem_allocated = 0;
}

static void
exact_delete(MemoryContext context)
{
	exact_reset(context);
	free(context);
}

static Size
exact_chunk_space(MemoryContext context, void *pointer)
{
	return sizeof(Chunk) + chunk_of(pointer)->size;
}

static bool
exact_is_empty(MemoryContext context)
{
	return dlist_is_empty(&((ExactContext *) context)->chunks);
}

static void
exact_stats(MemoryContext context, MemoryStatsPrintFunc print, void *passthru,
			MemoryContextCounters *totals, bool print_to_stderr)
{
	ExactContext *exact = (ExactContext *) context;
	Size		  count = 0;
	dlist_iter	  iter;
	char		  text[100];

	dlist_foreach(iter, &exact->chunks) count++;
	if (print != NULL)
	{
		snprintf(text, sizeof(text), "%zu bytes in %zu chunks", context->mem_allocated, count);
		print(context, passthru, text, print_to_stderr);
	}
	if (totals != NULL)
	{
		totals->nblocks += count;
		totals->totalspace += context->mem_allocated;
	}
}

static const MemoryContextMethods exact_methods = {
	.alloc = exact_alloc,
	.free_p = exact_free,
	.realloc = exact_realloc,
	.reset = exact_reset,
	.delete_context = exact_delete,
	.get_chunk_space = exact_chunk_space,
	.is_empty = exact_is_empty,
	.stats = exact_stats,
};

/*
 * Create a context in the stead of AllocSetContextCreateInternal() and GenerationContextCreate().
 */
static MemoryContext
create_context(MemoryContext parent, const char *name, Size min_size, Size initial_size,
			   Size max_size)
{
	ExactContext *result = calloc(1, sizeof(ExactContext));

	if (result == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	dlist_init(&result->chunks);
	MemoryContextCreate(&result->header, T_AllocSetContext, &exact_methods, parent, name);
	return &result->header;
}

/*
 * Overwrite the beginning of a function of the server with a jump to create_context().
 */
static bool
divert(void *function)
{
#if defined(__x86_64__)
	/* mov rax, address; jmp rax */
	unsigned char code[] = {0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0};
	size_t		  place = 2;
#elif defined(__aarch64__)
	/* ldr x16, 8 bytes on; br x16; address */
	unsigned char code[] = {0x50, 0, 0, 0x58, 0, 0x02, 0x1f, 0xd6, 0, 0, 0, 0, 0, 0, 0, 0};
	size_t		  place = 8;
#else
#error "how to jump isn't known for this processor"
#endif
	MemoryContext (*target)(MemoryContext, const char *, Size, Size, Size) = create_context;
	uintptr_t page_size = (uintptr_t) sysconf(_SC_PAGESIZE);
	uintptr_t begin = (uintptr_t) function & ~(page_size - 1);
	size_t	  length = (uintptr_t) function + sizeof(code) - begin;

	memcpy(code + place, &target, sizeof(target));
	if (mprotect((void *) begin, length, PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
		return false;
	memcpy(function, code, sizeof(code));
	__builtin___clear_cache((char *) function, (char *) function + sizeof(code));
	return mprotect((void *) begin, length, PROT_READ | PROT_EXEC) == 0;
}

/*
 * Leave messages untranslated.  What AddressSanitizer does before main() leaves the lock of glibc's
 * translations in a state in which bindtextdomain() waits for ever.
 */
char *
bindtextdomain(const char *domain, const char *directory)
{
	return unconstify(char *, directory);
}

char *
bind_textdomain_codeset(const char *domain, const char *codeset)
{
	return unconstify(char *, codeset);
}

char *
textdomain(const char *domain)
{
	return unconstify(char *, domain);
}

/*
 * Divert the server's functions before its main() runs.  Programs that it calls do without all
 * this.
 */
static void __attribute__((constructor)) divert_all(void)
{
	static const char *const names[] = {"AllocSetContextCreateInternal", "GenerationContextCreate"};

	unsetenv("LD_PRELOAD");
	for (size_t i = 0; i < lengthof(names); i++)
	{
		void *function = dlsym(RTLD_DEFAULT, names[i]);

		if (function == NULL || !divert(function))
		{
			static const char message[] = "exact_chunks: there is no function to be diverted\n";

			(void) !write(STDERR_FILENO, message, sizeof(message) - 1);
			_exit(1);
		}
	}
}
