/*
 * main.c
 *		Run crisp-sandbox: the REST API of Crisp on loopback, with invented data.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sandbox.h"
#include "server.h"

/* Ask for SIGTERM when the parent ends, and end at once if it has already. */
static void
follow_parent(void)
{
	pid_t parent = getppid();

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		exit(EXIT_SUCCESS);
}

/* Block the signals that stop the server: they are let in only while it waits. */
static void
prepare_signals(void)
{
	sigset_t stopping;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&stopping);
	sigaddset(&stopping, SIGTERM);
	sigaddset(&stopping, SIGINT);
	sigprocmask(SIG_BLOCK, &stopping, NULL);
}

int
main(int argc, char **argv)
{
	static Sandbox sandbox;
	Server		  *server;

	options_parse(&sandbox.options, argc, argv);
	if (sandbox.options.exit_with_parent)
		follow_parent();
	prepare_signals();
	sandbox_init(&sandbox);
	server = server_start(&sandbox);
	if (server == NULL)
		return EXIT_FAILURE;
	printf("crisp-sandbox: listening on http://127.0.0.1:%u/v1\n", (unsigned) sandbox.port);
	fflush(stdout);
	server_run(server);
	server_stop(server);
	sandbox_free(&sandbox);
	return EXIT_SUCCESS;
}
