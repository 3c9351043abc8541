/*
 * written.c
 *		Answer changes, as the settings have it.
 */
#include "written.h"

JsonWriter
written_begin(Call *call, unsigned status, const char *reason)
{
	switch ((WriteSuccess) call->sandbox->settings.write_success)
	{
		case SUCCESS_USUAL:
			break;
		case SUCCESS_ACCEPTED:
			status = 202;
			reason = "accepted";
			break;
		case SUCCESS_PARTIAL:
			status = 206;
			reason = "done";
			break;
	}
	return reply_begin(call->reply, status, reason);
}

void
written_done(Call *call, const char *reason)
{
	JsonWriter writer = written_begin(call, 200, reason);

	jw_begin(&writer, '{');
	jw_end(&writer, '}');
	reply_end(&writer);
}

void
written_error(Call *call, unsigned status, const char *reason, const char *message)
{
	reply_error(call->reply, status, reason,
				call->sandbox->settings.failures_bare ? NULL : message);
}

bool
written_refuses(Call *call, const char *problem)
{
	if (problem != NULL)
		written_error(call, 400, "invalid_data", problem);
	return problem != NULL;
}
