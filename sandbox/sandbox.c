/*
 * sandbox.c
 *		Hold everything that one running sandbox is.
 */
#include "sandbox.h"

static void
start_settings(Sandbox *sandbox)
{
	settings_start(&sandbox->settings, sandbox->options.latency_ms, sandbox->options.untidy);
}

/* Make the data anew, as the settings have it. */
static void
build_data(Sandbox *sandbox)
{
	listing_forget(&sandbox->cache);
	dataset_free(&sandbox->dataset);
	dataset_init(&sandbox->dataset, &sandbox->options, sandbox->settings.untidy);
}

void
sandbox_follow_settings(Sandbox *sandbox)
{
	if (sandbox->dataset.untidy != sandbox->settings.untidy)
		build_data(sandbox);
}

void
sandbox_init(Sandbox *sandbox)
{
	start_settings(sandbox);
	request_log_start(&sandbox->log, sandbox->options.log);
	build_data(sandbox);
}

void
sandbox_free(Sandbox *sandbox)
{
	listing_forget(&sandbox->cache);
	changes_clear(&sandbox->changes);
	faults_clear(&sandbox->faults);
	request_log_clear(&sandbox->log);
	dataset_free(&sandbox->dataset);
}

void
sandbox_reset(Sandbox *sandbox)
{
	listing_forget(&sandbox->cache);
	changes_clear(&sandbox->changes);
	faults_clear(&sandbox->faults);
	request_log_clear(&sandbox->log);
	request_log_start(&sandbox->log, sandbox->options.log);
	start_settings(sandbox);
	if (sandbox->dataset.dirty)
		build_data(sandbox);
	else
		sandbox_follow_settings(sandbox);
}
