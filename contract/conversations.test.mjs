// The list of conversations, with all its parameters, and single conversations.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { assertConforms, assertRejects, newestFirst, one, sameKeys } from "./lib/assertions.mjs";
import { Sandbox } from "./lib/sandbox.mjs";
import { absentFields } from "./lib/types.mjs";

let sandbox, client, access, website, all;

const list = (options, page = 1) => client.website.listConversations(website, page, options);
const listAll = (query) => sandbox.rows(access, `website/${website}/conversations`, query);
const key = (row) => row.session_id;
const hasMessages = (row) => Boolean(row.preview_message ?? row.last_message);

before(async () => {
  sandbox = await Sandbox.start({ conversations: 700, people: 200, operators: 8 });
  access = sandbox.websiteAccess(0);
  website = access.website_id;
  client = sandbox.client(access);
  all = await listAll({ per_page: 50, include_empty: 1 });
});
after(() => sandbox.stop());

test("every conversation has the documented fields alone, with their types", () => {
  assertConforms(all, "Conversation");
});

test("every documented field occurs somewhere", () => {
  assert.deepEqual(absentFields(all, "Conversation"), []);
});

test("the values of a conversation agree with each other", () => {
  const statuses = { pending: 0, unresolved: 1, resolved: 2 };
  for (const row of all) {
    assert.match(row.session_id, /^session_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.equal(row.website_id, website);
    assert.ok(row.created_at <= row.updated_at, `${row.session_id}: created after its update`);
    assert.ok(!row.waiting_since || row.waiting_since <= row.updated_at);
    assert.ok(row.created_at > 1e12, `${row.session_id}: created_at is not in milliseconds`);
    if (row.state && typeof row.status === "number") {
      assert.equal(row.status, statuses[row.state]);
    }
  }
});

test("the default page has 20 conversations, and a page has per_page of them", async () => {
  assert.equal((await list()).length, 20);
  for (const per_page of [20, 37, 50]) {
    assert.equal((await list({ per_page })).length, per_page);
  }
});

test("per_page outside 20 to 50, and a page before the first, are refused", async () => {
  for (const per_page of [0, 19, 51, 1000]) {
    await assertRejects(list({ per_page }), 400, "invalid_data");
  }
  await assertRejects(list({ per_page: "many" }), 400, "invalid_data");
  await assertRejects(list({}, 0), 400, "invalid_data");
});

test("206 means that more pages follow, 200 that this was the last", async () => {
  const pages = await sandbox.pages(access, `website/${website}/conversations`, {
    per_page: 50,
    include_empty: 1,
  });
  assert.equal(pages.length, 14);
  assert.ok(pages.every(({ rows }) => rows.length === 50));
  assert.ok(pages.slice(0, -1).every(({ status }) => status === 206));
  assert.equal(pages.at(-1).status, 200);
});

test("a page after the last is empty, with 200", async () => {
  const { status, body } = await sandbox.request(
    access,
    "GET",
    `website/${website}/conversations/999`,
  );
  assert.equal(status, 200);
  assert.equal(body.error, false);
  assert.deepEqual(body.data, []);
  assert.deepEqual(await list({}, 999), []);
});

test("no conversation comes twice, and together they are all there are", () => {
  assert.equal(new Set(all.map(key)).size, 700);
  assert.equal(all.length, 700);
});

test("conversations without a message are left out, unless include_empty asks for them", async () => {
  const listed = await listAll({ per_page: 50 });
  const empty = all.filter((row) => !new Set(listed.map(key)).has(key(row)));
  assert.ok(empty.length > 0, "there are conversations without a message");
  assert.ok(listed.length > 0);
  assert.deepEqual(
    await client.website.getMessagesInConversation(website, empty[0].session_id),
    [],
  );
  assert.ok(empty.every((row) => !hasMessages(row)));
  sameKeys(await listAll({ include_empty: 0 }), listed, key);
  const [first] = listed;
  const messages = await client.website.getMessagesInConversation(website, first.session_id);
  assert.ok(messages.length > 0, "a listed conversation has messages");
});

test("order_date_created and order_date_updated put the newest first", async () => {
  for (const [option, field] of [
    ["order_date_created", "created_at"],
    ["order_date_updated", "updated_at"],
  ]) {
    const rows = await listAll({ [option]: 1, include_empty: 1, per_page: 50 });
    newestFirst(rows, field);
    sameKeys(rows, all, key);
  }
});

test("order_date_waiting puts who waits longest first, and leaves out who does not wait", async () => {
  const rows = await listAll({ order_date_waiting: 1, include_empty: 1, per_page: 50 });
  newestFirst([...rows].reverse(), "waiting_since");
  sameKeys(
    rows,
    all.filter((row) => row.waiting_since),
    key,
  );
  assert.ok(rows.length > 0 && rows.length < all.length);
});

test("a list without an order comes by state and unread, newest update first within each", async () => {
  const states = ["pending", "unresolved"];
  const place = ({ state, unread }) => {
    const at = states.indexOf(state);
    return at < 0 ? (state === "resolved" ? 4 : 5) : 2 * at + (unread?.operator > 0 ? 0 : 1);
  };
  const groups = new Set(all.map(place));
  assert.deepEqual([...groups], [...groups].sort());
  assert.deepEqual(
    all.map(place),
    all.map(place).sort((a, b) => a - b),
  );
  groups.forEach((group) =>
    newestFirst(
      all.filter((row) => place(row) === group),
      "updated_at",
    ),
  );
});

test("filter_inbox_id leads to what the AI agent answers, and to all inboxes", async () => {
  const query = { include_empty: 1, per_page: 50 };
  const agent = all.filter((row) => row.inbox_id === "_internal:agent");
  assert.ok(agent.length > 0);
  sameKeys(await listAll({ ...query, filter_inbox_id: "_internal:agent" }), agent, key);
  sameKeys(await listAll({ ...query, filter_inbox_id: "all" }), all, key);
});

test("each filter leaves what it describes, and nothing else", async () => {
  const operators = all.map((row) => row.assigned?.user_id).filter(Boolean);
  const inboxes = all.map((row) => row.inbox_id).filter(Boolean);
  const filters = [
    [{ filter_unread: 1 }, (row) => (row.unread?.operator ?? 0) > 0],
    [{ filter_resolved: 1 }, (row) => row.state === "resolved"],
    [{ filter_not_resolved: 1 }, (row) => row.state !== "resolved"],
    [{ filter_unassigned: 1 }, (row) => !row.assigned?.user_id],
    [{ filter_assigned: operators[0] }, (row) => row.assigned?.user_id === operators[0]],
    [{ filter_inbox_id: inboxes[0] }, (row) => row.inbox_id === inboxes[0]],
    [
      { filter_unread: 1, filter_not_resolved: 1, filter_unassigned: 1 },
      (row) =>
        (row.unread?.operator ?? 0) > 0 && row.state !== "resolved" && !row.assigned?.user_id,
    ],
  ];
  for (const [filter, belongs] of filters) {
    const expected = all.filter(belongs);
    assert.ok(
      expected.length > 0 && expected.length < all.length,
      `the data has both sides of ${JSON.stringify(filter)}`,
    );
    sameKeys(await listAll({ ...filter, include_empty: 1, per_page: 50 }), expected, key);
  }
});

test("a filter that is switched off filters nothing", async () => {
  const off = { filter_unread: 0, filter_resolved: 0, filter_unassigned: 0, filter_mention: 0 };
  sameKeys(await listAll({ ...off, include_empty: 1, per_page: 50 }), all, key);
});

test("filter_mention leaves conversations with a mention", async () => {
  const rows = await listAll({ filter_mention: 1, include_empty: 1, per_page: 50 });
  assert.ok(rows.length > 0);
  assert.ok(rows.every((row) => row.mentions?.length > 0));
});

test("a filter for what does not exist leaves nothing", async () => {
  const nobody = "00000000-0000-4000-8000-000000000000";
  assert.deepEqual(await list({ filter_assigned: nobody, include_empty: 1 }), []);
  assert.deepEqual(await list({ filter_inbox_id: nobody, include_empty: 1 }), []);
});

test("filter_date_* bounds the date of update", async () => {
  const times = all.map((row) => row.updated_at).sort((a, b) => a - b);
  const from = times[200];
  const to = times[500];
  const iso = (time) => new Date(time).toISOString();
  for (const [query, inside, outside] of [
    [{ filter_date_start: iso(from) }, (t) => t > from, (t) => t < from],
    [{ filter_date_end: iso(to) }, (t) => t < to, (t) => t > to],
    [
      { filter_date_start: iso(from), filter_date_end: iso(to) },
      (t) => t > from && t < to,
      (t) => t < from || t > to,
    ],
  ]) {
    const rows = await listAll({ ...query, include_empty: 1, per_page: 50 });
    const got = new Set(rows.map(key));
    // Whether the ends belong to it is not documented.
    assert.ok(all.every((row) => !inside(row.updated_at) || got.has(key(row))));
    assert.ok(rows.every((row) => !outside(row.updated_at)));
  }
});

test("a date that is none is refused", async () => {
  for (const date of ["yesterday", "2025-13-01T00:00:00.000Z", "1774494734867", ""]) {
    await assertRejects(
      client.get(client.prepareRestUrl(["website", website, "conversations", "1"]), {
        filter_date_start: date,
      }),
      400,
      "invalid_data",
    );
  }
});

test("the order and the filters work together with pages", async () => {
  const query = { filter_not_resolved: 1, order_date_created: 1, include_empty: 1 };
  const rows = await listAll({ ...query, per_page: 20 });
  newestFirst(rows, "created_at");
  sameKeys(
    rows,
    all.filter((row) => row.state !== "resolved"),
    key,
  );
  assert.equal(new Set(rows.map(key)).size, rows.length);
});

test("search_type text finds conversations by what is written in them", async () => {
  const { meta } = one(all, (row) => row.meta?.email?.includes("@"));
  const rows = await list({
    search_type: "text",
    search_query: meta.email,
    include_empty: 1,
    per_page: 50,
  });
  assert.ok(rows.length > 0);
  assert.ok(rows.every((row) => JSON.stringify(row).includes(meta.email)));
  const nothing = await list({ search_type: "text", search_query: "no such words anywhere" });
  assert.deepEqual(nothing, []);
});

test("search_type segment finds the conversations of a segment", async () => {
  const segment = one(all, (row) => row.meta?.segments?.length > 0).meta.segments[0];
  const query = { search_type: "segment", search_query: segment, include_empty: 1, per_page: 50 };
  sameKeys(
    await listAll(query),
    all.filter((row) => row.meta?.segments?.includes(segment)),
    key,
  );
});

test("a filter on another model than the conversation's is refused", async () => {
  const search_query = [
    { model: "people", criterion: "meta.segments", operator: "eq", query: ["vip"] },
  ];
  await assertRejects(list({ search_type: "filter", search_query }), 400, "invalid_data");
});

test("search_type filter takes conditions, joined by search_operator", async () => {
  const [a, b] = one(all, (row) => row.meta?.segments?.length > 1).meta.segments;
  const models = ["conversation", "session"];
  const has = (row, segment) => row.meta?.segments?.includes(segment) ?? false;
  const condition = (segment, operator = "eq") => ({
    model: models[operator.length % 2],
    criterion: "meta.segments",
    operator,
    query: [segment],
  });
  for (const [conditions, search_operator, belongs] of [
    [[condition(a)], "and", (row) => has(row, a)],
    [[condition(a), condition(b)], "and", (row) => has(row, a) && has(row, b)],
    [[condition(a), condition(b)], "or", (row) => has(row, a) || has(row, b)],
    [[condition(a), condition(b, "neq")], "and", (row) => has(row, a) && !has(row, b)],
  ]) {
    const rows = await list({
      search_type: "filter",
      search_query: conditions,
      search_operator,
      include_empty: 1,
      per_page: 50,
    });
    const expected = all.filter(belongs);
    assert.ok(expected.length > 0, `the data has conversations for ${search_operator}`);
    assert.equal(rows.length, Math.min(50, expected.length));
    assert.ok(rows.every(belongs));
  }
});

test("a filter that is no JSON is refused", async () => {
  await assertRejects(
    list({ search_type: "filter", search_query: "[{not json" }),
    400,
    "invalid_data",
  );
});

test("a conversation by itself is what the list has", async () => {
  for (const row of [all[0], all[350], all.at(-1)]) {
    assert.deepEqual(await client.website.getConversation(website, row.session_id), row);
  }
});

test("a conversation that does not exist is not found", async () => {
  const nobody = "session_00000000-0000-4000-8000-000000000000";
  await assertRejects(client.website.getConversation(website, nobody), 404);
  await assertRejects(client.website.getConversation(website, "nonsense"), [400, 404]);
});

test("changeConversationState changes the state, and the status with it", async () => {
  const { session_id } = one(all, (row) => row.state === "unresolved" && hasMessages(row));
  for (const [state, status] of [
    ["resolved", 2],
    ["pending", 0],
    ["unresolved", 1],
  ]) {
    await client.website.changeConversationState(website, session_id, state);
    const row = await client.website.getConversation(website, session_id);
    assert.equal(row.state, state);
    assert.equal(row.status, status);
  }
  await assertRejects(
    client.website.changeConversationState(website, session_id, "lost"),
    400,
    "invalid_data",
  );
  await sandbox.reset();
});

test("assignConversationRouting assigns an operator, and null unassigns", async () => {
  const { session_id } = one(all, (row) => !row.assigned?.user_id);
  const user_id = one(all, (row) => row.assigned?.user_id).assigned.user_id;
  const assign = (assigned) =>
    client.website.assignConversationRouting(website, session_id, { assigned });
  const assigned = async () =>
    (await client.website.getConversation(website, session_id)).assigned?.user_id;
  for (const nobody of [{ user_id: null }, null]) {
    await assign({ user_id });
    assert.equal(await assigned(), user_id);
    await assign(nobody);
    assert.ok(!(await assigned()));
  }
  await sandbox.reset();
});

test("the suggestions count segments and data keys as the conversations have them", async () => {
  const counted = (names) => {
    const counts = new Map();
    names.forEach((name) => counts.set(name, (counts.get(name) ?? 0) + 1));
    return counts;
  };
  const base = `website/${website}/conversations/suggest`;
  const segments = await sandbox.rows(access, `${base}/segments`);
  const keys = await sandbox.rows(access, `${base}/data`);
  assertConforms(segments, "ConversationSuggestedSegment");
  assertConforms(keys, "ConversationSuggestedData");
  assert.deepEqual(
    new Map(segments.map(({ segment, count }) => [segment, count])),
    counted(all.flatMap((row) => [...new Set(row.meta?.segments ?? [])])),
  );
  assert.deepEqual(
    new Map(keys.map((row) => [row.key, row.count])),
    counted(all.flatMap((row) => Object.keys(row.meta?.data ?? {}))),
  );
  const page = await client.website.listSuggestedConversationSegments(website);
  assert.ok(page.length > 0);
  assert.deepEqual(page, segments.slice(0, page.length));
  assert.ok((await client.website.listSuggestedConversationDataKeys(website)).length > 0);
});

test("the same seed gives the same conversations, and another seed others", async () => {
  const options = { conversations: 40, people: 20 };
  const [same, again, other] = await Promise.all([
    Sandbox.start(options),
    Sandbox.start(options),
    Sandbox.start({ ...options, seed: 7 }),
  ]);
  const page = async (one) => {
    const its = one.websiteAccess(0);
    const rows = await one.rows(its, `website/${its.website_id}/conversations`);
    await one.stop();
    return JSON.stringify(rows);
  };
  const first = await page(same);
  assert.equal(first, await page(again));
  assert.notEqual(first, await page(other));
});
