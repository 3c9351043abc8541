/*
 * random.h
 *		Make repeatable randomness: what is generated depends on the seed alone.
 */
#ifndef SANDBOX_RANDOM_H
#define SANDBOX_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#define UUID_SIZE 37 /* with the closing zero */

typedef struct Random
{
	uint64_t state;
} Random;

/* Begin a generator of its own for each (seed, stream, number): order of use is irrelevant. */
extern Random	random_stream(uint64_t seed, uint32_t stream, uint32_t number);
extern uint64_t random_next(Random *random);

/* Choose evenly in 0 .. limit - 1; limit must be above zero. */
extern uint32_t random_below(Random *random, uint32_t limit);

/* Return true that many times in a thousand. */
extern bool random_permille(Random *random, uint32_t permille);

/* Mix two numbers into one. */
extern uint64_t random_mix(uint64_t a, uint64_t b);

/*
 * Make a version 4 UUID for a row.  The row's number is hidden in it, under the key that "seed"
 * gives, so that a row is found by its identifier without a table: random_uuid_number() gives the
 * number back, or false for a text that was not made by random_uuid() with this seed.
 */
extern void random_uuid(uint64_t seed, uint32_t number, char uuid[UUID_SIZE]);
extern bool random_uuid_number(uint64_t seed, const char *uuid, uint32_t *number);

/* Write 64 hexadecimal digits, as Crisp's keys have; "key" holds 65 bytes. */
extern void random_hex_key(uint64_t seed, char *key);

#endif /* SANDBOX_RANDOM_H */
