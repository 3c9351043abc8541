/*
 * fault.h
 *		Give answers that differ from the normal one: what POST /_control's "answers" ask for.
 */
#ifndef SANDBOX_FAULT_H
#define SANDBOX_FAULT_H

#include <json-c/json.h>

#include "match.h"
#include "request.h"

/*
 * How an answer goes out.  Zeroed, but for cut_after, it is the normal one.
 * The holder frees it with delivery_free().
 */
typedef struct Delivery
{
	unsigned	 status;
	Buffer		 body;
	bool		 packed;  /* the body is in gzip form, and its head says so */
	uint64_t	 repeat;  /* the body goes out so many times over; 0 and 1: once */
	json_object *headers; /* name to value, or NULL */
	uint32_t	 delay_ms;
	bool		 hang;		 /* no answer until the sandbox is reset */
	bool		 reset;		 /* the connection is reset: at once, or at the cut */
	bool		 close;		 /* the connection is closed without an answer */
	int64_t		 cut_after;	 /* bytes of the body after which it is closed; -1: none */
	uint32_t	 drip_bytes; /* so many at a time ... */
	uint32_t	 drip_ms;	 /* ... and a pause of so long between; 0: all at once */
} Delivery;

typedef struct Fault Fault;

typedef struct FaultList
{
	Fault *first;
} FaultList;

/* Replace the list by a JSON array of answers.  Returns what is wrong, or NULL. */
extern const char *faults_set(FaultList *list, json_object *answers);
/* Write the answers as they were given, as a JSON array. */
extern void faults_write(const FaultList *list, JsonWriter *writer);
extern void faults_clear(FaultList *list);

/* Return the first fault that matches, or NULL; it counts as used. */
extern Fault *faults_choose(FaultList *list, const Request *request);
/* Say whether the request is carried out before the fault's answer; fault may be NULL. */
extern bool fault_acts(const Fault *fault);
/* Make the reply a delivery (taking its body over), as the fault wants it; NULL: as it is. */
extern void fault_apply(const Fault *fault, Reply *reply, Delivery *delivery);
extern void delivery_free(Delivery *delivery);

/* Decode base64; NULL where it is none. */
extern char *base64_decode(const char *text, size_t *len);

#endif /* SANDBOX_FAULT_H */
