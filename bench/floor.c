/*
 * floor.c
 *		The least that reading a list of Crisp's can cost.
 *
 * Downloads pages of a list with libcurl, so many at a time, and parses each
 * with json-c, and does nothing else.  How many pages there are
 * is told, so that none is asked for in vain.  Prints what it took as JSON.
 *
 *	 floor URL PAGES IN_FLIGHT [QUERY]
 *
 * URL gets the page's number at its end, unless PAGES is 0: then it is asked
 * for once, as it is.  CRISP_IDENTIFIER and CRISP_KEY hold the credentials.
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

typedef struct Totals
{
	long pages;
	long rows;
	long bytes;
	long connections;
} Totals;

static const char *url;
static const char *query;
static int		   last_page;
static int		   next_page = 1;
static Totals	   totals;

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

/* Ask for the next page with a handle that is free; false if there is none left. */
static int
start(CURLM *multi, Transfer *transfer)
{
	char number[16] = "";
	char target[1024];

	if (next_page > last_page && !(last_page == 0 && next_page == 1))
		return 0;
	if (last_page > 0)
		snprintf(number, sizeof(number), "%d", next_page);
	if (snprintf(target, sizeof(target), "%s%s%s%s", url, number, *query ? "?" : "", query) >=
		(int) sizeof(target))
		fail("the URL is too long");
	next_page++;
	transfer->length = 0;
	curl_easy_setopt(transfer->easy, CURLOPT_URL, target);
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
	if (status != 200 && status != 206)
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
	url = argv[1];
	last_page = atoi(argv[2]);
	query = argc > 4 ? argv[4] : "";

	curl_global_init(CURL_GLOBAL_DEFAULT);
	headers = must(curl_slist_append(NULL, "X-Crisp-Tier: website"));
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
