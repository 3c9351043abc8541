/*
 * floor.c
 *		The least that requests to Crisp can cost.
 *
 * Makes requests with libcurl, so many at a time, and parses each answer
 * with json-c, and does nothing else.  Which requests these are is told, so
 * that none is made in vain.  Prints what it took as JSON.
 *
 *	 floor URL PAGES IN_FLIGHT [QUERY]
 *
 * URL gets the page's number at its end, unless PAGES is 0: then it is asked
 * for once, as it is.  With "-" for PAGES, standard input has the requests, a
 * line each: the method, what follows URL, and the body, if there is one.
 * CRISP_IDENTIFIER and CRISP_KEY hold the credentials.
 */
#include <curl/curl.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* As large as the extension's, see src/http/http_options.c. */
#define RECEIVE_BUFFER_SIZE (128L * 1024)

typedef struct Transfer
{
	CURL  *easy;
	char  *body;
	size_t length;
	size_t capacity;
} Transfer;

/* A request that is to be made. */
typedef struct Work
{
	const char *method;
	char	   *url;
	const char *body; /* NULL: none */
} Work;

typedef struct Totals
{
	long pages;
	long rows;
	long bytes;
	long connections;
} Totals;

static Work	 *works;
static size_t work_count;
static size_t next_work;
static Totals totals;

static void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void
fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("floor: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

static void *
must(void *pointer)
{
	if (pointer == NULL)
		fail("out of memory");
	return pointer;
}

/* libcurl has received a part of a body. */
static size_t
receive(char *data, size_t size, size_t count, void *arg)
{
	Transfer *transfer = arg;
	size_t	  length = size * count;

	while (transfer->length + length > transfer->capacity)
	{
		transfer->capacity = transfer->capacity ? transfer->capacity * 2 : RECEIVE_BUFFER_SIZE;
		transfer->body = must(realloc(transfer->body, transfer->capacity));
	}
	memcpy(transfer->body + transfer->length, data, length);
	transfer->length += length;
	return length;
}

static void
open_transfer(Transfer *transfer, struct curl_slist *headers)
{
	const char *identifier = getenv("CRISP_IDENTIFIER");
	const char *key = getenv("CRISP_KEY");

	if (identifier == NULL || key == NULL)
		fail("CRISP_IDENTIFIER and CRISP_KEY are not set");
	memset(transfer, 0, sizeof(*transfer));
	transfer->easy = must(curl_easy_init());
	curl_easy_setopt(transfer->easy, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(transfer->easy, CURLOPT_WRITEDATA, transfer);
	curl_easy_setopt(transfer->easy, CURLOPT_PRIVATE, transfer);
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(transfer->easy, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(transfer->easy, CURLOPT_USERNAME, identifier);
	curl_easy_setopt(transfer->easy, CURLOPT_PASSWORD, key);
	curl_easy_setopt(transfer->easy, CURLOPT_BUFFERSIZE, RECEIVE_BUFFER_SIZE);
	curl_easy_setopt(transfer->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(transfer->easy, CURLOPT_PROXY, "");
}

static void
add_work(const char *method, const char *url, const char *rest, const char *body)
{
	size_t size = strlen(url) + strlen(rest) + 1;
	Work  *work;

	if ((work_count & (work_count - 1)) == 0)
		works = must(realloc(works, sizeof(Work) * (work_count > 0 ? work_count * 2 : 1)));
	work = &works[work_count++];
	work->method = method;
	work->body = body;
	work->url = must(malloc(size));
	snprintf(work->url, size, "%s%s", url, rest);
}

/* Ask for so many pages of a list. */
static void
add_pages(const char *url, int pages, const char *query)
{
	char rest[1024];

	for (int page = pages > 0 ? 1 : 0; page <= pages; page++)
	{
		char number[16] = "";

		if (pages > 0)
			snprintf(number, sizeof(number), "%d", page);
		if (snprintf(rest, sizeof(rest), "%s%s%s", number, *query ? "?" : "", query) >=
			(int) sizeof(rest))
			fail("the query is too long");
		add_work("GET", url, rest, NULL);
	}
}

/* Read requests from standard input.  Their lines stay, since the requests point into them. */
static void
read_works(const char *url)
{
	char   *line = NULL;
	size_t	capacity = 0;
	ssize_t length;

	while ((length = getline(&line, &capacity, stdin)) > 0)
	{
		char *target;
		char *body;

		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		target = strchr(line, ' ');
		if (target == NULL)
			fail("a line has no target: %s", line);
		*target++ = '\0';
		body = strchr(target, ' ');
		if (body != NULL)
			*body++ = '\0';
		add_work(line, url, target, body);
		line = NULL;
		capacity = 0;
	}
	free(line);
}

/* Make the next request with a handle that is free; false if there is none left. */
static int
start(CURLM *multi, Transfer *transfer)
{
	const Work *work;

	if (next_work >= work_count)
		return 0;
	work = &works[next_work++];
	transfer->length = 0;
	curl_easy_setopt(transfer->easy, CURLOPT_URL, work->url);
	curl_easy_setopt(transfer->easy, CURLOPT_HTTPGET, 1L);
	if (work->body != NULL)
		curl_easy_setopt(transfer->easy, CURLOPT_COPYPOSTFIELDS, work->body);
	curl_easy_setopt(transfer->easy, CURLOPT_CUSTOMREQUEST, work->method);
	curl_multi_add_handle(multi, transfer->easy);
	return 1;
}

static void
parse(const char *body, size_t length)
{
	json_tokener *tokener = must(json_tokener_new());
	json_object	 *envelope = json_tokener_parse_ex(tokener, body, (int) length);
	json_object	 *data = NULL;

	if (envelope == NULL || !json_object_object_get_ex(envelope, "data", &data))
		fail("page %ld can't be parsed", totals.pages + 1);
	totals.rows += json_object_is_type(data, json_type_array)
					   ? (long) json_object_array_length(data)
					   : json_object_is_type(data, json_type_object);
	totals.pages++;
	totals.bytes += (long) length;
	json_object_put(envelope);
	json_tokener_free(tokener);
}

/* A transfer has ended: check the answer, and take it off. */
static Transfer *
finish(CURLM *multi, const CURLMsg *message)
{
	char *private_data = NULL;
	long  status = 0;
	long  connections = 0;

	if (message->data.result != CURLE_OK)
		fail("%s", curl_easy_strerror(message->data.result));
	curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299)
		fail("HTTP status %ld", status);
	curl_easy_getinfo(message->easy_handle, CURLINFO_NUM_CONNECTS, &connections);
	curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private_data);
	totals.connections += connections;
	curl_multi_remove_handle(multi, message->easy_handle);
	return (Transfer *) private_data;
}

static void
perform(CURLM *multi)
{
	int running;

	if (curl_multi_perform(multi, &running) != CURLM_OK)
		fail("curl_multi_perform() failed");
}

/*
 * Have so many transfers under way until the last page is there.  The next one
 * is sent off before a page is parsed, so that the server has work meanwhile.
 */
static void
download(CURLM *multi, Transfer *transfers, int in_flight)
{
	Transfer page = {0};
	int		 running = 0;

	for (int i = 0; i < in_flight; i++)
		running += start(multi, &transfers[i]);
	perform(multi);
	while (running > 0)
	{
		CURLMsg *message;
		int		 queued;

		while ((message = curl_multi_info_read(multi, &queued)) != NULL)
		{
			Transfer *transfer = finish(multi, message);
			Transfer  received = *transfer;

			transfer->body = page.body;
			transfer->capacity = page.capacity;
			page = received;
			running -= !start(multi, transfer);
			perform(multi);
			parse(page.body, page.length);
		}
		if (running > 0)
		{
			curl_multi_poll(multi, NULL, 0, 1000, NULL);
			perform(multi);
		}
	}
	free(page.body);
}

/* The most memory that was resident, in KiB; getrusage() would count the parent's, too. */
static long
peak_kb(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char  line[256];
	long  peak = 0;

	while (status != NULL && fgets(line, sizeof(line), status) != NULL)
	{
		if (strncmp(line, "VmHWM:", 6) == 0)
			peak = strtol(line + 6, NULL, 10);
	}
	if (status != NULL)
		fclose(status);
	return peak;
}

static double
seconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	double			   began = seconds(CLOCK_MONOTONIC);
	struct curl_slist *headers;
	Transfer		  *transfers;
	CURLM			  *multi;
	int				   in_flight;

	if (argc < 4 || argc > 5 || (in_flight = atoi(argv[3])) < 1)
		fail("usage: floor URL PAGES IN_FLIGHT [QUERY]");
	if (strcmp(argv[2], "-") == 0)
		read_works(argv[1]);
	else
		add_pages(argv[1], atoi(argv[2]), argc > 4 ? argv[4] : "");

	curl_global_init(CURL_GLOBAL_DEFAULT);
	headers = must(curl_slist_append(NULL, "X-Crisp-Tier: website"));
	headers = must(curl_slist_append(headers, "Content-Type: application/json"));
	multi = must(curl_multi_init());
	curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long) in_flight);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long) in_flight);
	transfers = must(calloc((size_t) in_flight, sizeof(Transfer)));
	for (int i = 0; i < in_flight; i++)
		open_transfer(&transfers[i], headers);
	download(multi, transfers, in_flight);

	printf("{\"wall_ms\": %.3f, \"cpu_ms\": %.3f, \"peak_kb\": %ld, \"pages\": %ld, \"rows\": %ld, "
		   "\"bytes\": %ld, \"connections\": %ld}\n",
		   (seconds(CLOCK_MONOTONIC) - began) * 1e3, seconds(CLOCK_PROCESS_CPUTIME_ID) * 1e3,
		   peak_kb(), totals.pages, totals.rows, totals.bytes, totals.connections);

	for (int i = 0; i < in_flight; i++)
	{
		curl_easy_cleanup(transfers[i].easy);
		free(transfers[i].body);
	}
	free(transfers);
	curl_multi_cleanup(multi);
	curl_slist_free_all(headers);
	curl_global_cleanup();
	return 0;
}
