// Changes of many conversations by one request, made by Crisp's official client.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { assertConforms, assertRejects, one } from "./lib/assertions.mjs";
import { Sandbox } from "./lib/sandbox.mjs";

let sandbox, client, access, website, all, sessions;

const list = () => sandbox.rows(access, `website/${website}/conversations`, { per_page: 50 });
const chosen = async () => {
  const rows = new Map((await list()).map((row) => [row.session_id, row]));
  return sessions.map((session_id) => rows.get(session_id));
};

before(async () => {
  sandbox = await Sandbox.start({ conversations: 100, people: 20, operators: 4 });
  access = sandbox.websiteAccess(0);
  website = access.website_id;
  client = sandbox.client(access);
  all = await list();
  sessions = all.slice(5, 25).map((row) => row.session_id);
});
afterEach(() => sandbox.reset());
after(() => sandbox.stop());

test("each operation changes the conversations that it names, and moves updated_at", async () => {
  const [{ inbox_id }] = await client.website.listInboxes(website, 1);
  const operators = await client.website.listWebsiteOperators(website);
  const { user_id } = one(operators, ({ details }) => details.user_id).details;
  const w = client.website;
  const cases = [
    ["batchResolveConversations", {}, (row) => row.state === "resolved" && row.status === 2],
    ["batchUnresolveConversations", {}, (row) => row.state === "unresolved" && row.status === 1],
    ["batchBlockConversations", { blocked: true }, (row) => row.is_blocked === true],
    ["batchRoutingConversations", { assigned: { user_id } }, (row) => row.assigned.user_id === user_id],
    ["batchRoutingConversations", { assigned: null }, (row) => !row.assigned?.user_id],
    ["batchInboxConversations", { inbox_id }, (row) => row.inbox_id === inbox_id],
    ["batchInboxConversations", { inbox_id: null }, (row) => !row.inbox_id],
    [
      "batchUpdateConversationsSegments",
      { segments: ["a", "b"] },
      (row) => row.meta.segments.join() === "a,b",
    ],
    [
      "batchUpdateConversationsData",
      { data: { x: 1, y: "z", t: true } },
      (row) => JSON.stringify(row.meta.data) === '{"x":1,"y":"z","t":true}',
    ],
  ];
  for (const [method, body, holds] of cases) {
    const before = await chosen();
    await w[method](website, { sessions, ...body });
    const rows = await chosen();
    assertConforms(rows, "Conversation");
    assert.ok(rows.every(holds), `${method} ${JSON.stringify(body)}`);
    assert.ok(rows.every((row, i) => row.updated_at > before[i].updated_at));
  }
  const changed = new Set(sessions);
  const others = (rows) => rows.filter((row) => !changed.has(row.session_id));
  assert.deepEqual(others(await list()), others(all));
});

test("batchRemoveConversations removes conversations, or all of an inbox", async () => {
  await client.website.batchRemoveConversations(website, { sessions });
  const left = await list();
  assert.deepEqual(
    left.map((row) => row.session_id),
    all.map((row) => row.session_id).filter((id) => !sessions.includes(id)),
  );
  const { inbox_id } = one(left, (row) => row.inbox_id);
  await client.website.batchRemoveConversations(website, { inbox_id });
  assert.deepEqual(
    (await list()).map((row) => row.session_id),
    left.filter((row) => row.inbox_id !== inbox_id).map((row) => row.session_id),
  );
});

test("profiles are put into segments, and removed", async () => {
  const people = await sandbox.rows(access, `website/${website}/people/profiles`, {});
  const profiles = people.slice(2, 9).map((row) => row.people_id);
  const get = (id) => client.website.getPeopleProfile(website, id);
  await client.website.batchUpdatePeopleSegments(website, { profiles }, ["late"]);
  for (const [i, id] of profiles.entries()) {
    const profile = await get(id);
    assert.deepEqual(profile.segments, ["late"]);
    assert.ok(profile.updated_at > people[i + 2].updated_at);
  }
  await client.website.batchRemovePeople(website, { profiles });
  for (const id of profiles) {
    await assertRejects(get(id), 404, "not_found");
  }
  const { people_id } = people[0];
  assert.equal((await get(people_id)).people_id, people_id);
  assert.deepEqual(await list(), all);
  await assertRejects(client.website.batchRemovePeople(website, { profiles: [] }), 400, "invalid_data");
  await assertRejects(client.website.batchRemovePeople(website, {}), 400, "invalid_data");
});

test("what is malformed is refused, and changes nothing", async () => {
  const w = client.website;
  for (const request of [
    () => w.batchResolveConversations(website, {}),
    () => w.batchRemoveConversations(website, { sessions: [] }),
    () => w.batchBlockConversations(website, { sessions }),
    () => w.batchRoutingConversations(website, { sessions }),
    () => w.batchRoutingConversations(website, { sessions, assigned: { user_id: "nobody" } }),
    () => w.batchInboxConversations(website, { sessions, inbox_id: "none" }),
    () => w.batchUpdateConversationsSegments(website, { sessions, segments: "a" }),
    () => w.batchUpdateConversationsData(website, { sessions, data: { a: [] } }),
  ]) {
    await assertRejects(request(), 400, "invalid_data");
  }
  assert.deepEqual(await list(), all);
});

test("a limit of conversations a request", async () => {
  await sandbox.control({ batch_limit: 19 });
  await assertRejects(client.website.batchResolveConversations(website, { sessions }), 400, "invalid_data");
  assert.deepEqual(await list(), all);
  await client.website.batchResolveConversations(website, { sessions: sessions.slice(1) });
  assert.ok((await chosen()).slice(1).every((row) => row.state === "resolved"));
});

test("a conversation that is gone is left out, or refuses the whole request", async () => {
  const more = [...sessions, "session_00000000-0000-4000-8000-000000000000"];
  await sandbox.control({ batch_gone: "not_found" });
  await assertRejects(client.website.batchResolveConversations(website, { sessions: more }), 404, "not_found");
  assert.deepEqual(await list(), all);
  await sandbox.control({ batch_gone: "left_out" });
  await client.website.batchResolveConversations(website, { sessions: more });
  assert.ok((await chosen()).every((row) => row.state === "resolved"));
});

test("segments and data are added to what is there, if batch_adds says so", async () => {
  await sandbox.control({ batch_adds: true });
  const w = client.website;
  for (const [segments, data] of [
    [["a", "b"], { x: 1, y: 1 }],
    [["b", "c"], { y: 2 }],
  ]) {
    await w.batchUpdateConversationsSegments(website, { sessions, segments });
    await w.batchUpdateConversationsData(website, { sessions, data });
  }
  for (const [i, row] of (await chosen()).entries()) {
    const before = all[i + 5].meta;
    assert.deepEqual(row.meta.segments, [...new Set([...(before?.segments ?? []), "a", "b", "c"])]);
    assert.deepEqual(row.meta.data, { ...before?.data, x: 1, y: 2 });
  }
});

test("a null for assigned, or for its user_id, unassigns as batch_unassign_body says", async () => {
  const bodies = { user_id: { user_id: null }, assigned: null };
  for (const [taken, refused] of [
    ["user_id", "assigned"],
    ["assigned", "user_id"],
  ]) {
    await sandbox.control({ batch_unassign_body: taken });
    const send = (assigned) => client.website.batchRoutingConversations(website, { sessions, assigned });
    await assertRejects(send(bodies[refused]), 400, "invalid_data");
    await send(bodies[taken]);
    assert.ok((await chosen()).every((row) => !row.assigned?.user_id));
  }
});
