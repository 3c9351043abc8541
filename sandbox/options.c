/*
 * options.c
 *		Read the command line.
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json_writer.h"

/* 2026-01-15T12:00:00Z: the end of the data, unless --now says otherwise. */
#define DEFAULT_NOW INT64_C(1768478400000)

#define MAX_ROWS 20000000

enum
{
	OPT_PORT = 1,
	OPT_SEED,
	OPT_CONVERSATIONS,
	OPT_PEOPLE,
	OPT_VISITORS,
	OPT_OPERATORS,
	OPT_CAMPAIGNS,
	OPT_WEBSITES,
	OPT_LATENCY,
	OPT_DATA,
	OPT_CHARACTERS,
	OPT_NOW,
	OPT_NO_LOG,
	OPT_EXIT_WITH_PARENT,
	OPT_HELP
};

static const struct option long_options[] = {
	{"port", required_argument, NULL, OPT_PORT},
	{"seed", required_argument, NULL, OPT_SEED},
	{"conversations", required_argument, NULL, OPT_CONVERSATIONS},
	{"people", required_argument, NULL, OPT_PEOPLE},
	{"visitors", required_argument, NULL, OPT_VISITORS},
	{"operators", required_argument, NULL, OPT_OPERATORS},
	{"campaigns", required_argument, NULL, OPT_CAMPAIGNS},
	{"websites", required_argument, NULL, OPT_WEBSITES},
	{"latency-ms", required_argument, NULL, OPT_LATENCY},
	{"data", required_argument, NULL, OPT_DATA},
	{"characters", required_argument, NULL, OPT_CHARACTERS},
	{"now", required_argument, NULL, OPT_NOW},
	{"no-log", no_argument, NULL, OPT_NO_LOG},
	{"exit-with-parent", no_argument, NULL, OPT_EXIT_WITH_PARENT},
	{"help", no_argument, NULL, OPT_HELP},
	{NULL, 0, NULL, 0},
};

static void
print_help(void)
{
	puts("crisp-sandbox serves the REST API of Crisp on 127.0.0.1, with invented data.\n"
		 "\n"
		 "Usage: crisp-sandbox [OPTION]...\n"
		 "\n"
		 "  --port N            port to listen on (default 0: any free one)\n"
		 "  --seed N            the same seed gives the same data (default 42)\n"
		 "  --conversations N   conversations of the first website (default 10000)\n"
		 "  --people N          people profiles of the first website (default 5000)\n"
		 "  --visitors N        visitors online on the first website (default 40)\n"
		 "  --operators N       operators of the first website (default 12)\n"
		 "  --campaigns N       campaigns of the first website (default 25)\n"
		 "  --websites N        websites; further ones have a tenth of the rows (default 3)\n"
		 "  --latency-ms N      delay of each answer (default 0)\n"
		 "  --data ugly|tidy    with or without what is ugly in Crisp's data (default ugly)\n"
		 "  --characters NAME   have no characters that this encoding lacks, such as LATIN1\n"
		 "  --now MS|current    the end of the data, in epoch milliseconds, or the start\n"
		 "                      (default 1768478400000, that is 2026-01-15T12:00:00Z)\n"
		 "  --no-log            do not keep the requests for GET /_log\n"
		 "  --exit-with-parent  end when the process that started it ends\n"
		 "  --help              show this, and exit\n"
		 "\n"
		 "Once it listens it prints its address on a line of its own.");
}

static uint64_t
parse_number(const char *name, const char *text, uint64_t low, uint64_t high)
{
	char	*end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == '-' || value < low || value > high)
	{
		fprintf(stderr,
				"crisp-sandbox: --%s takes a number from %" PRIu64 " to %" PRIu64 ", not \"%s\"\n",
				name, low, high, text);
		exit(2);
	}
	return value;
}

static int64_t
parse_now(const char *text)
{
	struct timespec now;

	if (isdigit((unsigned char) *text))
		return (int64_t) parse_number("now", text, UINT64_C(100000000000), UINT64_C(9999999999999));
	if (strcmp(text, "current") != 0)
	{
		fprintf(stderr,
				"crisp-sandbox: --now takes milliseconds since 1970, or current, not \"%s\"\n",
				text);
		exit(2);
	}
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool
parse_data(const char *text)
{
	if (strcmp(text, "ugly") == 0)
		return true;
	if (strcmp(text, "tidy") == 0)
		return false;
	fprintf(stderr, "crisp-sandbox: --data takes ugly or tidy, not \"%s\"\n", text);
	exit(2);
}

static void
limit_characters(const char *encoding)
{
	if (jw_limit_characters(encoding))
		return;
	fprintf(stderr, "crisp-sandbox: --characters takes the name of an encoding, not \"%s\"\n",
			encoding);
	exit(2);
}

static void
set_option(Options *options, int option, const char *name, const char *value)
{
	switch (option)
	{
		case OPT_PORT:
			options->port = (uint16_t) parse_number(name, value, 0, UINT16_MAX);
			break;
		case OPT_SEED:
			options->seed = parse_number(name, value, 0, UINT64_MAX);
			break;
		case OPT_CONVERSATIONS:
			options->conversations = (uint32_t) parse_number(name, value, 0, MAX_ROWS);
			break;
		case OPT_PEOPLE:
			options->people = (uint32_t) parse_number(name, value, 0, MAX_ROWS);
			break;
		case OPT_VISITORS:
			options->visitors = (uint32_t) parse_number(name, value, 0, 100000);
			break;
		case OPT_OPERATORS:
			options->operators = (uint32_t) parse_number(name, value, 0, 1000);
			break;
		case OPT_CAMPAIGNS:
			options->campaigns = (uint32_t) parse_number(name, value, 0, 100000);
			break;
		case OPT_WEBSITES:
			options->websites = (uint32_t) parse_number(name, value, 1, 1000);
			break;
		case OPT_LATENCY:
			options->latency_ms = (uint32_t) parse_number(name, value, 0, 3600000);
			break;
		case OPT_DATA:
			options->untidy = parse_data(value);
			break;
		case OPT_CHARACTERS:
			limit_characters(value);
			break;
		case OPT_NOW:
			options->now = parse_now(value);
			break;
		case OPT_NO_LOG:
			options->log = false;
			break;
		case OPT_EXIT_WITH_PARENT:
			options->exit_with_parent = true;
			break;
		case OPT_HELP:
			print_help();
			exit(EXIT_SUCCESS);
		default:
			fputs("Try \"crisp-sandbox --help\".\n", stderr);
			exit(2);
	}
}

void
options_parse(Options *options, int argc, char **argv)
{
	int option;
	int which = 0;

	*options = (Options){.seed = 42,
						 .conversations = 10000,
						 .people = 5000,
						 .visitors = 40,
						 .operators = 12,
						 .campaigns = 25,
						 .websites = 3,
						 .now = DEFAULT_NOW,
						 .untidy = true,
						 .log = true};
	while ((option = getopt_long(argc, argv, "", long_options, &which)) != -1)
		set_option(options, option, long_options[which].name, optarg);
	if (optind < argc)
	{
		fprintf(stderr, "crisp-sandbox: unexpected argument \"%s\"\n", argv[optind]);
		exit(2);
	}
}
