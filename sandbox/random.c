/*
 * random.c
 *		Make repeatable randomness, after Steele, Lea and Flood's SplitMix64.
 */
#include "random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t
finalize(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
	return x ^ (x >> 31);
}

uint64_t
random_mix(uint64_t a, uint64_t b)
{
	return finalize(a * UINT64_C(0x9E3779B97F4A7C15) + finalize(b + UINT64_C(0x632BE59BD9B4E019)));
}

Random
random_stream(uint64_t seed, uint32_t stream, uint32_t number)
{
	Random random = {random_mix(seed, ((uint64_t) stream << 32) | number)};

	return random;
}

uint64_t
random_next(Random *random)
{
	random->state += UINT64_C(0x9E3779B97F4A7C15);
	return finalize(random->state);
}

uint32_t
random_below(Random *random, uint32_t limit)
{
	return (uint32_t) (((random_next(random) >> 32) * limit) >> 32);
}

bool
random_permille(Random *random, uint32_t permille)
{
	return random_below(random, 1000) < permille;
}

/* Compute one round of a Feistel network on two halves of 16 bits. */
static uint32_t
feistel_round(uint32_t half, uint64_t seed, uint32_t round)
{
	return (uint32_t) (random_mix(seed + round, half) & 0xFFFF);
}

static uint32_t
hide_number(uint64_t seed, uint32_t number)
{
	uint32_t left = number >> 16;
	uint32_t right = number & 0xFFFF;

	for (uint32_t round = 0; round < 4; round++)
	{
		uint32_t next = left ^ feistel_round(right, seed, round);

		left = right;
		right = next;
	}
	return (left << 16) | right;
}

static uint32_t
reveal_number(uint64_t seed, uint32_t hidden)
{
	uint32_t left = hidden >> 16;
	uint32_t right = hidden & 0xFFFF;

	for (uint32_t round = 4; round-- > 0;)
	{
		uint32_t previous = right ^ feistel_round(left, seed, round);

		right = left;
		left = previous;
	}
	return (left << 16) | right;
}

void
random_uuid(uint64_t seed, uint32_t number, char uuid[UUID_SIZE])
{
	uint64_t rest = random_mix(seed ^ UINT64_C(0x75756964), number);

	snprintf(uuid, UUID_SIZE, "%08" PRIx32 "-%04x-4%03x-%04x-%012" PRIx64,
			 hide_number(seed, number), (unsigned) (rest & 0xFFFF),
			 (unsigned) ((rest >> 16) & 0xFFF), (unsigned) (0x8000 | ((rest >> 28) & 0x3FFF)),
			 random_mix(rest, seed) & UINT64_C(0xFFFFFFFFFFFF));
}

bool
random_uuid_number(uint64_t seed, const char *uuid, uint32_t *number)
{
	char  head[9];
	char  made[UUID_SIZE];
	char *end;

	if (strlen(uuid) != UUID_SIZE - 1)
		return false;
	memcpy(head, uuid, 8);
	head[8] = '\0';
	*number = reveal_number(seed, (uint32_t) strtoul(head, &end, 16));
	if (*end != '\0')
		return false;
	random_uuid(seed, *number, made);
	return strcmp(made, uuid) == 0;
}

void
random_hex_key(uint64_t seed, char *key)
{
	for (uint32_t i = 0; i < 4; i++)
		snprintf(key + (size_t) 16 * i, 17, "%016" PRIx64, random_mix(seed, i));
}
