// What Crisp leaves open, and the sandbox therefore does in more ways than one: each of them, through the client.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { assertRejects, newestFirst, one, sameKeys } from "./lib/assertions.mjs";
import { Sandbox } from "./lib/sandbox.mjs";

let sandbox, client, access, website, all;

const list = (options, page = 1) => client.website.listConversations(website, page, options);
const listAll = (query) =>
  sandbox.rows(access, `website/${website}/conversations`, { ...query, per_page: 50 });
const key = (row) => row.session_id;
const segments = (operator, ...query) => ({
  search_type: "filter",
  search_query: [{ model: "session", criterion: "meta.segments", operator, query }],
});

before(async () => {
  sandbox = await Sandbox.start({ conversations: 300, people: 100 });
  access = sandbox.websiteAccess(0);
  website = access.website_id;
  client = sandbox.client(access);
  all = await listAll({});
});
after(() => sandbox.stop());
afterEach(() => sandbox.reset());

test("the order of a list that is asked for in none", async () => {
  for (const [order, field] of [
    ["updated", "updated_at"],
    ["created", "created_at"],
  ]) {
    await sandbox.control({ default_order: order });
    newestFirst(await listAll({}), field);
  }
  await sandbox.control({ default_order: "insertion" });
  const inserted = await listAll({});
  sameKeys(inserted, all, key);
  assert.deepEqual(await listAll({}), inserted);
  await sandbox.control({ default_order: "random" });
  const pages = [await list(), await list()].map((page) => page.map(key));
  assert.equal(pages[0].length, 20);
  assert.notDeepEqual(pages[0], pages[1]);
  newestFirst(await listAll({ order_date_updated: 1 }), "updated_at");
});

test("the order of those who wait", async () => {
  const waiting = all.filter((row) => row.waiting_since);
  await sandbox.control({ waiting_order: "newest" });
  const rows = await listAll({ order_date_waiting: 1 });
  newestFirst(rows, "waiting_since");
  sameKeys(rows, waiting, key);
  await sandbox.control({ waiting_order: "longest", waiting_order_filters: "nothing" });
  const everybody = await listAll({ order_date_waiting: 1 });
  sameKeys(everybody, all, key);
  sameKeys(everybody.slice(0, waiting.length), waiting, key);
  newestFirst(everybody.slice(0, waiting.length).reverse(), "waiting_since");
});

test("a page past the end is empty or not found, but for the first", async () => {
  await sandbox.control({ past_end: "not_found" });
  const nobody = { filter_assigned: "00000000-0000-4000-8000-000000000000" };
  assert.deepEqual(await list(nobody), []);
  await assertRejects(list(nobody, 2), 404, "not_found");
  const pages = Math.ceil(all.length / 20);
  assert.ok((await list({}, pages)).length > 0);
  await assertRejects(list({}, pages + 1), 404, "not_found");
  await assertRejects(client.website.listPeopleProfiles(website, 7), 404, "not_found");
});

test("the plain list is that of all inboxes, or of the main one", async () => {
  await sandbox.control({ plain_inbox: "main" });
  sameKeys(
    await listAll({}),
    all.filter((row) => !row.inbox_id),
    key,
  );
  sameKeys(await listAll({ filter_inbox_id: "all" }), all, key);
  const inbox = one(all, (row) => row.inbox_id).inbox_id;
  sameKeys(
    await listAll({ filter_inbox_id: inbox }),
    all.filter((row) => row.inbox_id === inbox),
    key,
  );
  await sandbox.control({ inbox_all: "ignored" });
  sameKeys(
    await listAll({ filter_inbox_id: "all" }),
    all.filter((row) => !row.inbox_id),
    key,
  );
  await sandbox.control({ inbox_all: "unknown" });
  assert.deepEqual(await list({ filter_inbox_id: "all" }), []);
  await sandbox.control({ inbox_all: "refused" });
  await assertRejects(list({ filter_inbox_id: "all" }), 400, "invalid_data");
});

test("one body unassigns, or the other, or neither", async () => {
  const { session_id } = one(all, (row) => row.assigned?.user_id);
  const bodies = { user_id: { user_id: null }, assigned: null };
  for (const unassign_body of ["user_id", "assigned", "neither"]) {
    await sandbox.reset();
    await sandbox.control({ unassign_body });
    for (const [name, assigned] of Object.entries(bodies)) {
      const change = client.website.assignConversationRouting(website, session_id, { assigned });
      if (name === unassign_body) {
        await change;
      } else {
        await assertRejects(change, 400, "invalid_data");
      }
    }
    const row = await client.website.getConversation(website, session_id);
    assert.equal(Boolean(row.assigned?.user_id), unassign_body === "neither");
  }
});

test("filters, dates and searches are obeyed or not, each by itself", async () => {
  const time = all.map((row) => row.updated_at).sort((a, b) => a - b)[200];
  const date = { filter_date_start: new Date(time).toISOString() };
  const count = async (query) => (await listAll(query)).length;
  const asked = [{ filter_resolved: 1 }, date, segments("eq", "vip")];
  const honoured = await Promise.all(asked.map(count));
  assert.ok(honoured.every((rows) => rows > 0 && rows < all.length));
  for (const [settings, obeyed] of [
    [{ honour_filters: false }, [false, false, true]],
    [{ honour_filters: "dates" }, [false, true, true]],
    [{ honour_dates: false }, [true, false, true]],
    [{ honour_search: false }, [true, true, false]],
    [{ segments_filter: "ignored" }, [true, true, false]],
  ]) {
    await sandbox.reset();
    await sandbox.control(settings);
    assert.deepEqual(
      await Promise.all(asked.map(count)),
      honoured.map((rows, i) => (obeyed[i] ? rows : all.length)),
      JSON.stringify(settings),
    );
  }
  await sandbox.control({ segments_filter: "refused" });
  await assertRejects(list(segments("eq", "vip")), 400, "invalid_data");
});

test("several values in a filter mean any of them, all, or the first", async () => {
  const [a, b] = one(all, (row) => row.meta?.segments?.length > 1).meta.segments;
  const has = (row, segment) => row.meta?.segments?.includes(segment) ?? false;
  for (const [filter_values, fits] of [
    ["any", (row) => has(row, a) || has(row, b)],
    ["all", (row) => has(row, a) && has(row, b)],
    ["first", (row) => has(row, a)],
  ]) {
    await sandbox.control({ filter_values });
    sameKeys(await listAll(segments("eq", a, b)), all.filter(fits), key);
    sameKeys(
      await listAll(segments("neq", a, b)),
      all.filter((row) => !fits(row)),
      key,
    );
  }
  await sandbox.control({ filter_values: "refused" });
  sameKeys(
    await listAll(segments("eq", a)),
    all.filter((row) => has(row, a)),
    key,
  );
  await assertRejects(list(segments("eq", a, b)), 400, "invalid_data");
});

test("a filter of profiles takes several addresses, as a list of values", async () => {
  const profiles = await client.website.listPeopleProfiles(website, 1);
  const emails = profiles.map((row) => row.email).filter((email) => email);
  const [a, b] = [...new Set(emails)];
  const find = (...query) =>
    client.website.listPeopleProfiles(
      website,
      1,
      undefined,
      undefined,
      "and",
      JSON.stringify([{ model: "people", criterion: "email", operator: "eq", query }]),
    );
  const found = async (filter_values) => {
    await sandbox.control({ filter_values });
    return new Set((await find(a, b)).map((row) => row.email));
  };
  assert.deepEqual(await found("any"), new Set([a, b]));
  assert.deepEqual(await found("all"), new Set());
  assert.deepEqual(await found("first"), new Set([a]));
  await assertRejects(found("refused"), 400, "invalid_data");
});

test("which ends of a range of dates belong to it", async () => {
  const times = all.map((row) => row.updated_at).sort((a, b) => a - b);
  const [from, to] = [times[100], times[200]];
  const iso = (time) => new Date(time).toISOString();
  for (const [date_bounds, start, end] of [
    ["inclusive", true, true],
    ["exclusive", false, false],
    ["start", true, false],
    ["end", false, true],
  ]) {
    await sandbox.control({ date_bounds });
    const rows = await listAll({ filter_date_start: iso(from), filter_date_end: iso(to) });
    const got = new Set(rows.map((row) => row.updated_at));
    assert.deepEqual([got.has(from), got.has(to)], [start, end], date_bounds);
  }
});

test("sort_field by a date is refused, or ignored, and by a search field is not", async () => {
  const sorted = (sort_field) =>
    sandbox.request(access, "GET", `website/${website}/people/profiles/1`, {
      query: { sort_field, sort_order: "ascending" },
    });
  await sandbox.control({ honour_sort: "refused" });
  for (const date of ["created_at", "updated_at", "active"]) {
    assert.equal((await sorted(date)).status, 400);
  }
  assert.equal((await sorted("nickname")).body.data.length, 20);
  await sandbox.control({ honour_sort: false });
  newestFirst((await sorted("created_at")).body.data, "updated_at");
});

test("a quota that is spent refuses all, until there is another", async () => {
  for (const [quota_status, reason] of [
    [423, "quota_limit_exceeded"],
    [422, "quota_limit_exceeded"],
    [420, "rate_limited"],
    [429, "rate_limited"],
  ]) {
    await sandbox.control({ quota: 2, quota_status });
    await list();
    await list();
    await assertRejects(list(), quota_status, reason);
    const path = `website/${website}/people/stats`;
    const { status, headers } = await sandbox.request(access, "GET", path);
    assert.equal(status, quota_status);
    assert.equal(headers.get("retry-after"), null);
  }
  await sandbox.control({ quota: null });
  await list();
});

test("messages come in pages of any size, and one of several is meant by a fingerprint", async () => {
  const { session_id } = one(all, (row) => row.preview_message);
  const send = (content) =>
    client.website.sendMessageInConversation(website, session_id, {
      type: "text",
      from: "operator",
      origin: "chat",
      content,
      fingerprint: -5,
    });
  await send("the older one");
  await send("the newer one");
  const meant = async () =>
    (await client.website.getMessageInConversation(website, session_id, -5)).content;
  assert.equal(await meant(), "the newer one");
  await sandbox.control({ message_chosen: "oldest", messages_per_page: 1 });
  assert.equal(await meant(), "the older one");
  const path = `website/${website}/conversation/${session_id}/messages`;
  const { status, body } = await sandbox.request(access, "GET", path);
  assert.equal(status, 206);
  assert.deepEqual(
    body.data.map((message) => message.content),
    ["the newer one"],
  );
});

test("tidy data has none of what is ugly", async () => {
  await sandbox.control({ data: "tidy" });
  const rows = await listAll({});
  assert.ok(rows.every((row) => row.inbox_id !== "_internal:agent"));
  const operators = await client.website.listWebsiteOperators(website);
  assert.ok(operators.every((row) => row.details.user_id));
  await sandbox.reset();
  sameKeys(await listAll({}), all, key);
});

test("answers that wait until no request comes any more", async () => {
  const path = `website/${website}/conversations/1`;
  const ask = () => sandbox.request(access, "GET", path);
  const log = async () => (await sandbox.steer("GET", "/_log")).requests;
  await sandbox.control({ quiet_ms: 400 });
  const first = ask();
  while ((await log()).length === 0);
  await Promise.all([first, ask()]);
  const [one, other] = await log();
  assert.ok(one.done_ms >= other.at_ms + 400, "the first waits for the second, too");
});
