// How one gets conversations into PostgreSQL with Node: Crisp's official
// client reads page after page until one is empty (it doesn't tell which page
// is the last), each conversation is flattened, and COPY takes the rows.
//
//   node node-client.mjs JSON
//
// The argument tells the work, the columns, and where Crisp is; PGHOST and its
// like tell where PostgreSQL is.  Prints what it took as JSON.  Neither the
// start of Node nor the connection to PostgreSQL counts.

import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Crisp } from "crisp-api";
import pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { cpuMs, memoryKb } from "./lib/process.mjs";

const { work, columns, origin, websiteId, token } = JSON.parse(process.argv[2]);

const crisp = new Crisp();
crisp.setRestHost(origin);
crisp.authenticateTier(token.tier, token.identifier, token.key);

async function* pages() {
  for (let number = 1; ; number++) {
    const page = await crisp.website.listConversations(websiteId, number, work.options);
    if (page.length === 0) {
      return;
    }
    yield page;
  }
}

function valueAt(conversation, keys) {
  let value = conversation;
  for (const key of keys) {
    if (value === null || value === undefined) {
      return null;
    }
    value = value[key];
  }
  return value ?? null;
}

/** A value as PostgreSQL reads a column of this type; NULL is null. */
function asText(value, type) {
  if (value === null) {
    return null;
  }
  switch (type) {
    case "timestamp with time zone":
      return new Date(value).toISOString();
    case "jsonb":
      return JSON.stringify(value);
    case "text[]":
      return `{${value.map((element) => `"${element.replace(/["\\]/g, "\\$&")}"`).join(",")}}`;
    default:
      return String(value);
  }
}

const ESCAPES = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function asCopyField(text) {
  return text === null ? "\\N" : text.replace(/[\\\n\r\t]/g, (character) => ESCAPES[character]);
}

function flatten(conversation) {
  return columns.map(({ keys, type, value }) => asText(value ?? valueAt(conversation, keys), type));
}

/** The lines of COPY, a page at a time. */
async function* copyData() {
  for await (const page of pages()) {
    yield page.map((row) => `${flatten(row).map(asCopyField).join("\t")}\n`).join("");
  }
}

async function load(postgres) {
  const names = columns.map(({ name }) => name).join(", ");
  const copy = postgres.query(copyFrom(`COPY loaded (${names}) FROM STDIN`));
  await pipeline(Readable.from(copyData()), copy);
  return copy.rowCount;
}

async function read() {
  const conversations = work.sessionId
    ? [await crisp.website.getConversation(websiteId, work.sessionId)]
    : await crisp.website.listConversations(websiteId, 1, work.options);
  return conversations.slice(0, work.limit).map(flatten).length;
}

const postgres = new pg.Client();
await postgres.connect();
const backend = (await postgres.query("SELECT pg_backend_pid() AS pid")).rows[0].pid;

const runs = [];
for (let i = 0; i <= work.repeats; i++) {
  if (i > 0 && work.loads) {
    await postgres.query("TRUNCATE loaded");
  }
  const backendBefore = cpuMs(backend);
  const cpuBefore = process.cpuUsage();
  const began = process.hrtime.bigint();
  const rows = work.loads ? await load(postgres) : await read();
  const wallMs = Number(process.hrtime.bigint() - began) / 1e6;
  const cpu = process.cpuUsage(cpuBefore);
  const clientCpuMs = (cpu.user + cpu.system) / 1e3;
  const backendCpuMs = cpuMs(backend) - backendBefore;
  runs.push({ rows, wallMs, cpuMs: clientCpuMs + backendCpuMs, backendCpuMs });
}
console.log(
  JSON.stringify({
    runs,
    clientPeakKb: memoryKb(process.pid, "VmHWM"),
    backendPeakKb: memoryKb(backend, "VmHWM"),
  }),
);
await postgres.end();
