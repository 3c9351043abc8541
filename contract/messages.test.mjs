// The messages of a conversation: listed, sent, changed and removed.

import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { assertConforms, assertRejects, newestFirst, one } from "./lib/assertions.mjs";
import { Sandbox } from "./lib/sandbox.mjs";
import { absentFields } from "./lib/types.mjs";

let sandbox, client, access, website, conversations;

const get = (session, ...times) =>
  client.website.getMessagesInConversation(website, session, ...times);

// All messages of a conversation, asked for as the reference says: the newest
// page first, then what is older than the oldest message seen.
async function getAll(session) {
  const messages = [];
  for (;;) {
    const before = messages.length
      ? Math.min(...messages.map((one) => one.timestamp)) + 1
      : undefined;
    const page = await get(session, before);
    // Several may have one fingerprint.
    const seen = new Set(messages.map((message) => JSON.stringify(message)));
    const news = page.filter((message) => !seen.has(JSON.stringify(message)));
    if (news.length === 0) {
      return messages;
    }
    messages.push(...news);
  }
}

before(async () => {
  sandbox = await Sandbox.start({ conversations: 200, people: 100 });
  access = sandbox.websiteAccess(0);
  website = access.website_id;
  client = sandbox.client(access);
  conversations = await sandbox.rows(access, `website/${website}/conversations`, { per_page: 50 });
});
after(() => sandbox.stop());
afterEach(() => sandbox.reset());

test("messages have the documented fields alone, with their types", async () => {
  const messages = [];
  for (const { session_id } of conversations) {
    const some = await get(session_id);
    assert.ok(some.every((one) => one.session_id === session_id && one.website_id === website));
    messages.push(...some);
  }
  assertConforms(messages, "ConversationMessage");
  assert.deepEqual(absentFields(messages, "ConversationMessage"), []);
  const types = [...new Set(messages.map((one) => one.type))].sort();
  assert.deepEqual(
    types,
    ["animation", "audio", "carousel", "event", "field", "file", "note", "picker", "text"],
  );
  for (const { type, content } of messages) {
    assert.equal(typeof content, type === "text" || type === "note" ? "string" : "object");
  }
});

test("timestamp_before leads through all messages, from the newest to the oldest", async () => {
  let longest = [];
  for (const { session_id } of conversations) {
    const messages = await getAll(session_id);
    if (messages.length > longest.length) {
      longest = messages;
    }
  }
  const [{ session_id }] = longest;
  const firstPage = await get(session_id);
  assert.ok(longest.length > firstPage.length, "one conversation has more than a page of messages");
  const newest = Math.max(...longest.map((one) => one.timestamp));
  assert.ok(firstPage.some((one) => one.timestamp === newest));
});

test("206 says that older messages follow, 200 that there are none", async () => {
  const statuses = new Set();
  for (const { session_id } of conversations) {
    const path = `website/${website}/conversation/${session_id}/messages`;
    const { status, body } = await sandbox.request(access, "GET", path);
    statuses.add(status);
    const oldest = Math.min(...body.data.map((one) => one.timestamp));
    const older = await get(session_id, oldest);
    assert.equal(status, older.length > 0 ? 206 : 200);
    assert.ok(older.every((one) => one.timestamp < oldest));
  }
  assert.deepEqual([...statuses].sort(), [200, 206]);
});

test("timestamp_after and timestamp_around lead to the other messages", async () => {
  const { session_id } = one(conversations, (row) => row.preview_message);
  const messages = await getAll(session_id);
  const times = messages.map((message) => message.timestamp).sort((a, b) => a - b);
  const oldest = times[0];
  const later = await get(session_id, undefined, oldest);
  assert.ok(later.every((message) => message.timestamp > oldest));
  const around = await get(session_id, undefined, undefined, oldest);
  assert.ok(around.some((message) => message.timestamp === oldest));
});

test("a message by itself is what the list has", async () => {
  const [{ session_id }] = conversations;
  const messages = await get(session_id);
  const fingerprints = messages.map((message) => message.fingerprint);
  const single = (it) => fingerprints.indexOf(it) === fingerprints.lastIndexOf(it);
  for (const message of messages.filter(({ fingerprint }) => single(fingerprint))) {
    assert.deepEqual(
      await client.website.getMessageInConversation(website, session_id, message.fingerprint),
      message,
    );
  }
  await assertRejects(client.website.getMessageInConversation(website, session_id, 1), 404);
});

test("fingerprints repeat within a conversation, negative ones and 0 among them", async () => {
  const repeated = new Set();
  for (const { session_id } of conversations) {
    const fingerprints = (await getAll(session_id)).map((message) => message.fingerprint);
    fingerprints
      .filter((fingerprint, i) => fingerprints.indexOf(fingerprint) < i)
      .forEach((fingerprint) => repeated.add(fingerprint));
  }
  assert.ok(repeated.has(0));
  assert.ok(Math.min(...repeated) < 0);
});

test("a message keeps the fingerprint that it was sent with, whoever has it already", async () => {
  const [{ session_id }] = conversations;
  const count = async () =>
    (await getAll(session_id)).filter((message) => message.fingerprint === 77).length;
  for (const number of [1, 2]) {
    const sent = await client.website.sendMessageInConversation(website, session_id, {
      type: "text",
      from: "operator",
      origin: "urn:import",
      content: `number ${number}`,
      fingerprint: 77,
    });
    assert.equal(sent.fingerprint, 77);
    assert.equal(await count(), number);
  }
});

test("a message of each type can be sent, and is the newest then", async () => {
  const [{ session_id }] = conversations;
  const contents = {
    text: "Здравствуйте 👋",
    note: "for colleagues alone",
    file: { name: "a.pdf", url: "https://files.example.com/a.pdf", type: "application/pdf" },
    animation: { url: "https://files.example.com/a.gif", type: "image/gif" },
    audio: { url: "https://files.example.com/a.webm", type: "audio/webm", duration: 12 },
    picker: { id: "q", text: "Which?", choices: [{ value: "a", label: "A", selected: false }] },
    field: { id: "f", text: "Your order?", explain: "its number" },
    carousel: { text: "Look", targets: [{ title: "T", description: "D", actions: [] }] },
    event: { namespace: "state:resolved", text: "done" },
  };
  const before = (await getAll(session_id)).length;
  let number = 0;
  for (const [type, content] of Object.entries(contents)) {
    const message = { type, from: "operator", origin: "chat", content };
    const sent = await client.website.sendMessageInConversation(website, session_id, message);
    assertConforms([sent], "MessageSent");
    const stored = await client.website.getMessageInConversation(
      website,
      session_id,
      sent.fingerprint,
    );
    assertConforms([stored], "ConversationMessage");
    assert.deepEqual(stored.content, content);
    assert.equal(stored.type, type);
    assert.equal(stored.from, "operator");
    const listed = await get(session_id);
    const newest = listed.reduce((a, b) => (b.timestamp >= a.timestamp ? b : a));
    assert.equal(newest.fingerprint, sent.fingerprint);
    number++;
  }
  assert.equal((await getAll(session_id)).length, before + number);
});

test("a message that is sent moves its conversation to the front", async () => {
  const last = conversations.at(-1);
  await client.website.sendMessageInConversation(website, last.session_id, {
    type: "text",
    from: "user",
    origin: "chat",
    content: "still waiting",
  });
  const rows = await client.website.listConversations(website, 1, { order_date_updated: 1 });
  assert.equal(rows[0].session_id, last.session_id);
  newestFirst(rows, "updated_at");
  assert.ok(rows[0].updated_at > last.updated_at);
});

test("a message without type, from, origin or content is refused", async () => {
  const [{ session_id }] = conversations;
  const whole = { type: "text", from: "operator", origin: "chat", content: "hello" };
  for (const left of Object.keys(whole)) {
    const { [left]: _, ...message } = whole;
    await assertRejects(
      client.website.sendMessageInConversation(website, session_id, message),
      400,
      "invalid_data",
    );
  }
  await assertRejects(
    client.website.sendMessageInConversation(website, session_id, { ...whole, type: "smoke" }),
    400,
    "invalid_data",
  );
});

test("a message's content can be changed, and the message removed", async () => {
  const { session_id } = conversations[1];
  const { fingerprint } = await client.website.sendMessageInConversation(website, session_id, {
    type: "text",
    from: "operator",
    origin: "chat",
    content: "teh answer",
  });
  const read = () => client.website.getMessageInConversation(website, session_id, fingerprint);
  await client.website.updateMessageInConversation(website, session_id, fingerprint, "the answer");
  const changed = await read();
  assert.equal(changed.content, "the answer");
  assert.equal(changed.edited, true);
  await client.website.removeMessageInConversation(website, session_id, fingerprint);
  await assertRejects(read(), 404);
  assert.ok((await getAll(session_id)).every((one) => one.fingerprint !== fingerprint));
});

test("the messages of a conversation that does not exist are not found", async () => {
  await assertRejects(get("session_00000000-0000-4000-8000-000000000000"), 404);
});
