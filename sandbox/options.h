/*
 * options.h
 *		Read the command line.
 */
#ifndef SANDBOX_OPTIONS_H
#define SANDBOX_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Options
{
	uint16_t port; /* 0: any free one */
	uint64_t seed;
	uint32_t conversations; /* of the first website; so the next ones */
	uint32_t people;
	uint32_t visitors;
	uint32_t operators;
	uint32_t campaigns;
	uint32_t websites;
	uint32_t latency_ms;
	bool	 untidy; /* --data ugly */
	int64_t	 now;	 /* epoch milliseconds that the data ends at */
	bool	 log;	 /* keep the requests */
	bool	 exit_with_parent;
} Options;

/*
 * Read the command line.  End the program after --help, and with status 2 and a message where an
 * option is wrong.
 */
extern void options_parse(Options *options, int argc, char **argv);

#endif /* SANDBOX_OPTIONS_H */
