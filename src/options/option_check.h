/*-------------------------------------------------------------------------
 *
 * option_check.h
 *		Check options' values when they are set.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_OPTION_CHECK_H
#define CRISP_OPTION_CHECK_H

/*
 * Check the text that an option was given; each takes the option's name and that text.  Raises
 * 22023 when it can't be; allow_http and files raise 42501 for who is no superuser.  No message
 * repeats a credential.
 */
extern void option_check_base_url(const char *name, const char *value);
extern void option_check_bool(const char *name, const char *value);
extern void option_check_allow_http(const char *name, const char *value);
extern void option_check_uuid(const char *name, const char *value);
extern void option_check_scan_mode(const char *name, const char *value);
extern void option_check_column_name(const char *name, const char *value);
extern void option_check_invalid_text(const char *name, const char *value);
extern void option_check_integer(const char *name, const char *value, int first, int last);
extern void option_check_duration(const char *name, const char *value, int first_ms, int last_ms);
extern void option_check_size(const char *name, const char *value, int first, int last); /* bytes */
extern void option_check_inbox(const char *name, const char *value);
extern void option_check_cost(const char *name, const char *value);
extern void option_check_tier(const char *name, const char *value);
extern void option_check_credential(const char *name, const char *value);
extern void option_check_file(const char *name, const char *value);
extern void option_check_resource(const char *name, const char *value);
extern void option_check_json_path(const char *name, const char *value);

#endif /* CRISP_OPTION_CHECK_H */
