/*-------------------------------------------------------------------------
 *
 * helpdesk.h
 *		Describe the helpdesk in the catalog.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_HELPDESK_H
#define CRISP_HELPDESK_H

#include "resource/entry.h"

extern const CrispResource crisp_helpdesk_locales;
extern const CrispResource crisp_helpdesk_pages;
extern const CrispResource crisp_helpdesk_feedback;
extern const CrispResource crisp_helpdesk_redirections;

#endif /* CRISP_HELPDESK_H */
