/*-------------------------------------------------------------------------
 *
 * sqlstate.h
 *		Define SQLSTATEs of our own class, CS, for errors that a program acts on.
 *
 * PostgreSQL's own codes come first: these are for what shares one of them with something else that
 * calls for another reaction.  docs/errors.md lists them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SQLSTATE_H
#define CRISP_SQLSTATE_H

/*
 * The statement would need more requests than the setting crisp_fdw.max_requests, or the server's
 * option daily_requests, allows.
 */
#define ERRCODE_CRISP_REQUEST_LIMIT MAKE_SQLSTATE('C', 'S', '0', '0', '2')

/* A list can't be read exactly, since Crisp does not keep to the dates that it is asked for. */
#define ERRCODE_CRISP_NOT_EXACT MAKE_SQLSTATE('C', 'S', '0', '0', '3')

#endif /* CRISP_SQLSTATE_H */
