/*
 * server.h
 *		Serve HTTP on 127.0.0.1.
 */
#ifndef SANDBOX_SERVER_H
#define SANDBOX_SERVER_H

#include "sandbox.h"

typedef struct Server Server;

/* Listen on the port of the options, and set the sandbox's; NULL with a message if that fails. */
extern Server *server_start(Sandbox *sandbox);

/* Answer requests until SIGTERM or SIGINT, which must be blocked, arrives. */
extern void server_run(Server *server);
extern void server_stop(Server *server);

#endif /* SANDBOX_SERVER_H */
