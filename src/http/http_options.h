/*-------------------------------------------------------------------------
 *
 * http_options.h
 *		Put a request in terms of libcurl's options.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_HTTP_OPTIONS_H
#define CRISP_HTTP_OPTIONS_H

#include <curl/curl.h>

#include "http/http_request.h"

/*
 * Set on a fresh handle all that request says, and all that holds for every request.  What receives
 * the answer is left to the caller.
 *
 * Headers go to *headers, a list that has to live as long as the handle's transfer and that the
 * caller frees with curl_slist_free_all(), also after a failure.  Everything else is copied.
 * Raises no error.
 */
extern CURLcode http_set_options(CURL *easy, const HttpRequest *request,
								 struct curl_slist **headers);

#endif /* CRISP_HTTP_OPTIONS_H */
