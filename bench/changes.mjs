// Measures what makes a request a row: changes, and the messages of many conversations.  Writes
// changes.json, and a table into changes.md.
//
//   node bench/changes.mjs DIRECTORY [--quick]
//
// The floor makes the same requests as the SQL statement that it's compared with, which a dry run
// has told, and doesn't wait for one before it makes another.

import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import pg from "pg";
import { cpuMs } from "./lib/process.mjs";
import { Sandbox } from "./lib/sandbox.mjs";
import { median, pairedRatio } from "./lib/statistics.mjs";

const [directory, quick] = process.argv.slice(2);
const ROUNDS = quick ? 1 : 5;
const LATENCY_MS = 50;
const IN_FLIGHT = 8;
const ROWS = 1000;

const execute = promisify(execFile);
const nodeClient = fileURLToPath(new URL("node-changes.mjs", import.meta.url));
const admin = new pg.Client();
const sandbox = await Sandbox.start(2000, ROWS);

/** The tables of a server that writes, and a table of one's own to push. */
async function prepareTables() {
  const { websiteId, token, base } = sandbox;
  await admin.query("CREATE EXTENSION IF NOT EXISTS crisp_fdw");
  await admin.query(`CREATE SERVER writing FOREIGN DATA WRAPPER crisp_fdw
    OPTIONS (website_id '${websiteId}', base_url '${base}', prefetch '${IN_FLIGHT}', updatable 'true')`);
  await admin.query(`CREATE USER MAPPING FOR CURRENT_USER SERVER writing
    OPTIONS (tier '${token.tier}', identifier '${token.identifier}', key '${token.key}')`);
  await admin.query("CREATE SCHEMA writing");
  await admin.query("IMPORT FOREIGN SCHEMA crisp FROM SERVER writing INTO writing");
  await admin.query("CREATE TABLE customers (people_id text PRIMARY KEY, notepad text)");
  await admin.query("INSERT INTO customers SELECT people_id, notepad FROM writing.people_profiles");
  await admin.query(push);
}

const push =
  "CALL crisp_push('public.customers', 'writing.people_profiles', key => 'people_id', max_requests => NULL)";

/** What is measured: the statement, and what has to be done before, which doesn't count. */
async function works() {
  const pages = await Promise.all(
    Array.from({ length: ROWS / 50 }, (_, i) => sandbox.page(i + 1, { include_empty: 0 })),
  );
  const conversations = pages.flat();
  const ids = conversations.map(({ session_id }) => session_id);
  const oldest = new Date(conversations.at(-1).updated_at).toISOString();
  const profiles = (await admin.query("SELECT people_id FROM customers")).rows;
  const people = profiles.map(({ people_id }) => people_id);
  return [
    {
      name: "messages",
      title: `messages of ${ROWS} conversations`,
      keys: ids,
      statement: `SELECT count(*) FROM writing.messages WHERE session_id = ANY ('{${ids}}')`,
    },
    {
      name: "resolve",
      title: `UPDATE of ${ROWS} conversations`,
      keys: ids,
      statement: `UPDATE writing.conversations SET state = 'resolved' WHERE updated_at >= '${oldest}'`,
    },
    {
      name: "profiles",
      title: `UPDATE of ${people.length} profiles`,
      keys: people,
      statement: "UPDATE writing.people_profiles SET notepad = 'of ' || people_id",
    },
    {
      name: "profiles",
      title: `crisp_push of ${people.length} profiles that have changed`,
      keys: people,
      before: "UPDATE customers SET notepad = 'of ' || people_id || clock_timestamp()",
      statement: push,
    },
  ];
}

/** Run a statement in a session of its own. */
async function bySql(work) {
  const client = new pg.Client();
  await client.connect();
  try {
    await client.query("LOAD 'crisp_fdw'");
    if (work.before) {
      await client.query(work.before);
    }
    const pid = (await client.query("SELECT pg_backend_pid() AS pid")).rows[0].pid;
    const cpuBefore = cpuMs(pid);
    const began = process.hrtime.bigint();
    await client.query(work.statement);
    return {
      wallMs: Number(process.hrtime.bigint() - began) / 1e6,
      cpuMs: cpuMs(pid) - cpuBefore,
    };
  } finally {
    await client.end();
  }
}

async function byFloor(work) {
  const { identifier, key } = sandbox.token;
  const running = execute(process.env.CRISP_FLOOR, [`${sandbox.origin}/`, "-", String(IN_FLIGHT)], {
    env: { CRISP_IDENTIFIER: identifier, CRISP_KEY: key },
  });
  running.child.stdin.end(work.requests.join("\n"));
  const { wall_ms, cpu_ms } = JSON.parse((await running).stdout);
  return { wallMs: wall_ms, cpuMs: cpu_ms };
}

async function byNode({ name, keys }) {
  const { origin, websiteId, token } = sandbox;
  const { stdout } = await execute(process.execPath, [
    nodeClient,
    JSON.stringify({ work: name, keys, origin, websiteId, token }),
  ]);
  return JSON.parse(stdout);
}

/** The requests of a statement, as floor.c reads them. */
async function recorded(work) {
  await sandbox.prepare(0);
  await bySql(work);
  return (await sandbox.log()).map(({ method, path, query, body }) =>
    [method, `${path.slice(1)}${query ? `?${query}` : ""}`, body].filter(Boolean).join(" "),
  );
}

const contestants = [
  ["crisp_fdw", bySql],
  ["floor", byFloor],
  ["Node, crisp-api", byNode],
];

async function measure(work, round) {
  const runs = [];
  for (let i = 0; i < contestants.length; i++) {
    const [contestant, run] = contestants[(i + round) % contestants.length];
    if (contestant.startsWith("Node") && round > 0) {
      continue;
    }
    await sandbox.prepare(LATENCY_MS);
    const result = await run(work);
    const log = await sandbox.log();
    const changes = log.filter(({ method }) => method !== "GET").length;
    runs.push({ work: work.title, contestant, round, ...result, requests: log.length, changes });
    console.log(
      `${work.title}: ${contestant}: ${result.wallMs.toFixed(0)} ms, ${log.length} requests, ` +
        `${changes} of them changes`,
    );
  }
  return runs;
}

function report(runs) {
  const lines = [
    `| at ${LATENCY_MS} ms, ${IN_FLIGHT} in flight | ms | ÷ floor | CPU | requests | changes |`,
    "|---|---:|---:|---:|---:|---:|",
  ];
  for (const title of new Set(runs.map(({ work }) => work))) {
    const of = runs.filter(({ work }) => work === title);
    for (const [contestant] of contestants) {
      const own = of.filter((run) => run.contestant === contestant);
      const ratio =
        contestant === "floor" ? "" : pairedRatio(of, contestant, "floor", (run) => run.wallMs).toFixed(2);
      const { requests, changes } = own[0];
      const [wall, cpu] = [(run) => run.wallMs, (run) => run.cpuMs].map((quantity) =>
        median(own.map(quantity)).toFixed(0),
      );
      lines.push(`| **${title}**: ${contestant} | ${wall} | ${ratio} | ${cpu} | ${requests} | ${changes} |`);
    }
  }
  return lines.join("\n");
}

await admin.connect();
await prepareTables();
const runs = [];
for (const work of await works()) {
  work.requests = await recorded(work);
  for (let round = 0; round < ROUNDS; round++) {
    runs.push(...(await measure(work, round)));
  }
}
writeFileSync(join(directory, "changes.json"), `${JSON.stringify(runs, null, 1)}\n`);
writeFileSync(join(directory, "changes.md"), `${report(runs)}\n`);
console.log(report(runs));
await admin.end();
await sandbox.stop();
