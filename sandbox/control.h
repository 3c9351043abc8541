/*
 * control.h
 *		Answer the sandbox's own interface, outside /v1: look and steer.
 */
#ifndef SANDBOX_CONTROL_H
#define SANDBOX_CONTROL_H

#include "sandbox.h"

/* What became of a control request. */
typedef enum ControlResult
{
	CONTROL_ANSWERED,
	CONTROL_RESET /* answered; and requests that hang are to be let go */
} ControlResult;

/* Answer a request whose path is not below /v1/. */
extern ControlResult control_request(Sandbox *sandbox, const Request *request, Reply *reply);

#endif /* SANDBOX_CONTROL_H */
