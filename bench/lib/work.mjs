// The work that is measured: what of the conversations is wanted, and the
// requests that it takes at least.

const PER_PAGE = 50;

/** All conversations, into a table with every column. */
export function everything(sandbox) {
  return {
    name: "all",
    title: `all of ${count(sandbox)} conversations into a table`,
    sandbox,
    loads: true,
    condition: "",
    options: { per_page: PER_PAGE, include_empty: 1 },
    path: "conversations/",
    pages: Math.ceil(sandbox.conversations / PER_PAGE),
    repeats: 0,
  };
}

/** The newest hundredth of them, into a table: what an incremental load fetches. */
export async function newest(sandbox) {
  const pages = Math.max(1, Math.round(sandbox.conversations / 100 / PER_PAGE));
  const last = (await sandbox.page(pages)).at(-1);
  const start = new Date(last.updated_at).toISOString();
  return {
    name: "newest",
    title: `the newest 1 % of ${count(sandbox)} conversations into a table`,
    sandbox,
    loads: true,
    condition: `WHERE updated_at >= '${start}'`,
    options: { per_page: PER_PAGE, include_empty: 1, filter_date_start: start },
    path: "conversations/",
    pages,
    repeats: 4,
  };
}

/** One conversation by its key, to the client. */
export async function one(sandbox) {
  const { session_id } = (await sandbox.page(2))[7];
  return {
    name: "one",
    title: `one conversation of ${count(sandbox)} by session_id`,
    sandbox,
    loads: false,
    sessionId: session_id,
    condition: `WHERE session_id = '${session_id}'`,
    options: {},
    path: `conversation/${session_id}`,
    pages: 0,
    repeats: 4,
  };
}

/** Any ten conversations, to the client. */
export function ten(sandbox) {
  return {
    name: "ten",
    title: `LIMIT 10 of ${count(sandbox)} conversations`,
    sandbox,
    loads: false,
    limit: 10,
    condition: "LIMIT 10",
    options: { per_page: 20, include_empty: 1 },
    path: "conversations/",
    pages: 1,
    repeats: 4,
  };
}

function count(sandbox) {
  return sandbox.conversations.toLocaleString("en-US");
}
