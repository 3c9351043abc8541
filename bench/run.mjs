// Measures, and writes results.json, report.md and the data of the chart.
//
//   node bench/run.mjs DIRECTORY [--quick]
//
// Rounds are paired: in each, every contestant does the work once, in an order
// that moves on from round to round.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import { contestants } from "./lib/contestants.mjs";
import { chartData, report } from "./lib/report.mjs";
import { Sandbox } from "./lib/sandbox.mjs";
import * as works from "./lib/work.mjs";

const [directory, quick] = process.argv.slice(2);

/** On lists of a few pages, only crisp_fdw as it is out of the box, and as many for the floor. */
const USUAL = /^crisp_fdw$|, 4$|^Node|^pgsql/;
const AHEAD = /, [48]$/;

/**
 * What is measured: [work, size, latency, rounds, contestants].  The contestants that ask
 * for one page at a time would spend 400 s on 100,000 conversations at 200 ms, so
 * they are left out there.
 */
const PLAN = quick
  ? [
      ["everything", 10000, 0, 3],
      ["everything", 10000, 50, 1],
      ...["newest", "one", "ten"].flatMap((work) => [
        [work, 10000, 0, 3, USUAL],
        [work, 10000, 50, 3, USUAL],
      ]),
    ]
  : [
      ["everything", 10000, 0, 9],
      ["everything", 10000, 50, 3],
      ["everything", 10000, 200, 1],
      ["everything", 100000, 0, 5],
      ["everything", 100000, 50, 1],
      ["everything", 100000, 200, 1, AHEAD],
      ...["newest", "one", "ten"].flatMap((work) => [
        [work, 10000, 0, 9, USUAL],
        [work, 10000, 50, 5, USUAL],
        [work, 10000, 200, 3, USUAL],
      ]),
      ["newest", 100000, 0, 5],
      ["newest", 100000, 50, 3],
      ["newest", 100000, 200, 1],
    ];

/** Sizes at which the memory of crisp_fdw, and its cost per row, is looked at. */
const GROWTH = quick ? [10000, 50000] : [10000, 100000, 1000000];

const admin = new pg.Client();
const sandboxes = new Map();

async function sandboxOf(size) {
  if (!sandboxes.has(size)) {
    sandboxes.set(size, await Sandbox.start(size));
  }
  return sandboxes.get(size);
}

/** Let a contestant do the work once. */
async function measure(contestant, work, latency, round) {
  await admin.query("DROP TABLE IF EXISTS loaded");
  await work.sandbox.prepare(latency);
  const result = await contestant.run(work);
  const { requests, connections } = await work.sandbox.counts();
  return {
    work: work.name,
    title: work.title,
    conversations: work.sandbox.conversations,
    latency,
    round,
    contestant: contestant.name,
    ...result,
    requests: requests / (result.againMs === undefined ? 1 : work.repeats + 1),
    connections,
  };
}

/**
 * See to it that a contestant has loaded what the first one did, but for the integers
 * just beyond 2^53 that the sandbox has among its custom data: JavaScript rounds them.
 */
async function check(contestant, isFirst) {
  if (isFirst) {
    await admin.query("DROP TABLE IF EXISTS expected");
    await admin.query("CREATE TABLE expected AS SELECT * FROM loaded");
  }
  const rows = (name) =>
    `SELECT to_jsonb(${name}) - '{meta_data, search_query}'::text[],
            regexp_replace(meta_data::text, '90071992547409\\d\\d', '0', 'g')::jsonb FROM ${name}`;
  const { rows: found } = await admin.query(
    `SELECT (SELECT count(*) FROM loaded) AS loaded, (SELECT count(*) FROM expected) AS expected,
            (SELECT count(*) FROM (${rows("loaded")} EXCEPT ${rows("expected")}) d) AS different`,
  );
  const { loaded, expected, different } = found[0];
  if (loaded !== expected || different !== "0") {
    throw new Error(
      `${contestant.name} has loaded ${loaded} rows of ${expected}, ${different} of them different`,
    );
  }
}

async function measureRounds(field, work, latency, rounds, names) {
  const taking = field.filter(({ name }) => !names || names.test(name));
  const results = [];
  let checked = 0;
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < taking.length; i++) {
      const contestant = taking[(i + round) % taking.length];
      const result = await measure(contestant, work, latency, round);
      results.push(result);
      console.log(
        `${work.title}, ${latency} ms, round ${round + 1}: ${contestant.name}: ` +
          `${result.wallMs.toFixed(0)} ms, ${result.cpuMs.toFixed(0)} ms of CPU, ${result.requests} requests`,
      );
      if (work.loads && round === 0 && !contestant.name.startsWith("floor")) {
        await check(contestant, checked++ === 0);
      }
    }
  }
  return results;
}

/** How memory and the cost of a row grow with the list. */
async function measureGrowth(contestant, pointAt) {
  const results = [];
  for (const size of GROWTH) {
    const sandbox = await sandboxOf(size);
    await pointAt(sandbox);
    const result = await measure(contestant, works.everything(sandbox), 0, 0);
    results.push(result);
    console.log(
      `${size} conversations: ${((result.cpuMs / size) * 1e3).toFixed(1)} µs of CPU a row, ` +
        `${result.privateKb} KiB of private memory`,
    );
  }
  return results;
}

/** What PostgreSQL alone takes to write the table, from a copy that it has. */
async function measureWriting(size, rounds) {
  const contestant = {
    name: "local copy",
    run: (work) => field.local(work, "CREATE TABLE loaded AS SELECT * FROM copied"),
  };
  await admin.query("DROP TABLE IF EXISTS copied");
  await field.pointAt(await sandboxOf(size));
  await admin.query(`CREATE TABLE copied AS SELECT * FROM ${field.all[0].schema}.conversations`);
  const results = [];
  for (let round = 0; round < rounds; round++) {
    results.push(await measure(contestant, works.everything(await sandboxOf(size)), 0, round));
  }
  return results;
}

await admin.connect();
const version = (await admin.query("SHOW server_version")).rows[0].server_version;
const field = await contestants(admin, await sandboxOf(10000));
const results = [];
for (const [work, size, latency, rounds, names] of PLAN) {
  const sandbox = await sandboxOf(size);
  await field.pointAt(sandbox);
  await sandbox.prepare(0);
  results.push(
    ...(await measureRounds(field.all, await works[work](sandbox), latency, rounds, names)),
  );
}
const writing = await measureWriting(10000, quick ? 3 : 9);
const ahead = field.all.findLast(({ schema }) => schema);
const growth = await measureGrowth(ahead, field.pointAt);

const outcome = { date: new Date().toISOString(), quick: Boolean(quick), version, results, writing, growth };
writeFileSync(join(directory, "results.json"), `${JSON.stringify(outcome, null, 1)}\n`);
writeFileSync(join(directory, "report.md"), report(outcome));
writeFileSync(join(directory, "chart.tsv"), `${chartData(outcome)}\n`);
await admin.end();
for (const sandbox of sandboxes.values()) {
  await sandbox.stop();
}
