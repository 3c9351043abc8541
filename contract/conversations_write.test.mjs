// Changes of conversations, made by Crisp's official client, besides state and routing.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { assertConforms, assertRejects, one } from "./lib/assertions.mjs";
import { Sandbox } from "./lib/sandbox.mjs";

let sandbox, client, access, website, all;

const get = (id) => client.website.getConversation(website, id);
const list = (query) => sandbox.rows(access, `website/${website}/conversations`, query);
const meta = (id, fields) => client.website.updateConversationMetas(website, id, fields);

before(async () => {
  sandbox = await Sandbox.start({ conversations: 60, people: 20 });
  access = sandbox.websiteAccess(0);
  website = access.website_id;
  client = sandbox.client(access);
  all = await list({ include_empty: 1, per_page: 50 });
});
afterEach(() => sandbox.reset());
after(() => sandbox.stop());

test("createNewConversation makes an empty conversation", async () => {
  const { session_id } = await client.website.createNewConversation(website);
  assert.match(session_id, /^session_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  const conversation = await get(session_id);
  assertConforms([conversation], "Conversation");
  assert.deepEqual(
    await client.website.getMessagesInConversation(website, session_id, undefined),
    [],
  );
  const has = (rows) => rows.some((row) => row.session_id === session_id);
  assert.ok(has(await list({ include_empty: 1, per_page: 50 })));
  assert.equal(has(await list({ per_page: 50 })), false);
  await client.website.sendMessageInConversation(website, session_id, {
    type: "text",
    from: "operator",
    origin: "chat",
    content: "Hello",
  });
  assert.ok(has(await list({ per_page: 50 })));
});

test("updateConversationMetas changes what is sent, and moves updated_at", async () => {
  const before = one(all, (row) => row.meta?.phone && row.meta?.segments?.length);
  const { session_id } = before;
  await meta(session_id, { nickname: "Zoé", segments: ["a"] });
  const conversation = await get(session_id);
  assert.ok(conversation.updated_at > before.updated_at);
  assert.deepEqual(conversation.meta, { ...before.meta, nickname: "Zoé", segments: ["a"] });
  for (const fields of [{ nickname: 1 }, { segments: "a" }, { data: { a: null } }, { topic: "x" }]) {
    await assertRejects(meta(session_id, fields), 400, "invalid_data");
  }
});

test("data of meta is replaced, or merged by meta_data", async () => {
  const { session_id } = all[0];
  await meta(session_id, { data: { a: 1, b: "x" } });
  await meta(session_id, { data: { a: 2 } });
  assert.deepEqual((await get(session_id)).meta.data, { a: 2 });
  await sandbox.control({ meta_data: "merged" });
  await meta(session_id, { data: { c: true } });
  assert.deepEqual((await get(session_id)).meta.data, { a: 2, c: true });
});

test("updateConversationInbox moves a conversation; null is the main inbox", async () => {
  const { session_id } = all[0];
  const [{ inbox_id }] = await client.website.listInboxes(website, 1);
  await client.website.updateConversationInbox(website, session_id, inbox_id);
  assert.equal((await get(session_id)).inbox_id, inbox_id);
  await client.website.updateConversationInbox(website, session_id, null);
  assert.equal((await get(session_id)).inbox_id ?? null, null);
  const unknown = () => client.website.updateConversationInbox(website, session_id, "none");
  await assertRejects(unknown(), 400, "invalid_data");
  await sandbox.control({ unknown_inbox: "taken" });
  await unknown();
  assert.equal((await get(session_id)).inbox_id, "none");
});

test("a conversation can be blocked and verified", async () => {
  const { session_id } = all[0];
  for (const yes of [true, false]) {
    await client.website.blockIncomingMessagesForConversation(website, session_id, yes);
    await client.website.updateVerifyStatusForConversation(website, session_id, yes);
    const { is_blocked, is_verified } = await get(session_id);
    assert.deepEqual([is_blocked, is_verified], [yes, yes]);
  }
});

test("saveConversationParticipants replaces all participants", async () => {
  const { session_id } = all[0];
  const save = (participants) =>
    client.website.saveConversationParticipants(website, session_id, { participants });
  for (const participants of [[{ type: "email", target: "x@example.com" }], []]) {
    await save(participants);
    assert.deepEqual((await get(session_id)).participants, participants);
  }
  await assertRejects(save([{ type: "email" }]), 400, "invalid_data");
  await assertRejects(save("x"), 400, "invalid_data");
});

test("removeConversation removes a conversation once", async () => {
  const { session_id } = all[0];
  await client.website.removeConversation(website, session_id);
  await assertRejects(get(session_id), 404);
  await assertRejects(client.website.removeConversation(website, session_id), 404);
  await assertRejects(meta(session_id, { nickname: "x" }), 404);
});
