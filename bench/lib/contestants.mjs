// The ways that are compared.  Each has run(work), which does the work once in
// a fresh process or session, and again as often as the work says, and tells
// {rows, wallMs, againMs, cpuMs, backendCpuMs, peakKb, privateKb}: the time of
// the first time, the median time of the others, and CPU time of the first, of
// the backend together with the client where that isn't just waiting.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import pg from "pg";
import * as pgsqlHttp from "./pgsql_http.mjs";
import { PrivateMemoryWatch, cpuMs, memoryKb } from "./process.mjs";
import { median } from "./statistics.mjs";

const execute = promisify(execFile);
const nodeClient = fileURLToPath(new URL("../node-client.mjs", import.meta.url));

/** Run a statement in a session of its own. */
async function inSession(work, setup, statement) {
  const client = new pg.Client();
  await client.connect();
  try {
    const pid = (await client.query("SELECT pg_backend_pid() AS pid")).rows[0].pid;
    for (const sql of setup) {
      await client.query(sql);
    }
    const watch = new PrivateMemoryWatch(pid);
    const runs = [];
    for (let i = 0; i <= work.repeats; i++) {
      if (i > 0 && work.loads) {
        await client.query("DROP TABLE loaded");
      }
      const cpuBefore = cpuMs(pid);
      const began = process.hrtime.bigint();
      const { rowCount } = await client.query(statement);
      const wallMs = Number(process.hrtime.bigint() - began) / 1e6;
      runs.push({ rows: rowCount, wallMs, cpuMs: cpuMs(pid) - cpuBefore });
    }
    const privateKb = watch.stop();
    const peakKb = memoryKb(pid, "VmHWM");
    return { ...summary(runs), peakKb, privateKb };
  } finally {
    await client.end();
  }
}

function summary(runs) {
  const [first, ...others] = runs;
  return { ...first, againMs: median(others.map((run) => run.wallMs)) };
}

function crispFdw(prefetch) {
  const name = prefetch ? `crisp_fdw, ${prefetch}` : "crisp_fdw";
  const schema = `crisp_${prefetch ?? "plain"}`;
  return {
    name,
    inFlight: prefetch ?? 1,
    schema,
    async run(work) {
      const create = work.loads ? "CREATE TABLE loaded AS " : "";
      return inSession(
        work,
        ["LOAD 'crisp_fdw'"],
        `${create}SELECT * FROM ${schema}.conversations ${work.condition}`,
      );
    },
  };
}

function floor(inFlight) {
  return {
    name: `floor, ${inFlight}`,
    inFlight,
    async run(work) {
      const { sandbox, options } = work;
      const { stdout } = await execute(
        process.env.CRISP_FLOOR,
        [sandbox.url(work.path), work.pages, inFlight, new URLSearchParams(options).toString()],
        {
          env: { CRISP_IDENTIFIER: sandbox.token.identifier, CRISP_KEY: sandbox.token.key },
        },
      );
      const { rows, wall_ms, cpu_ms, peak_kb } = JSON.parse(stdout);
      return { rows, wallMs: wall_ms, cpuMs: cpu_ms, peakKb: peak_kb };
    },
  };
}

function node(columns, admin) {
  return {
    name: "Node, crisp-api",
    inFlight: 1,
    async run(work) {
      const { sandbox, loads, options, sessionId, limit, repeats } = work;
      if (loads) {
        await admin.query("CREATE TABLE loaded (LIKE pattern)");
      }
      const { stdout } = await execute(process.execPath, [
        nodeClient,
        JSON.stringify({
          work: { loads, options, sessionId, limit, repeats },
          columns,
          origin: sandbox.origin,
          websiteId: sandbox.websiteId,
          token: sandbox.token,
        }),
      ]);
      const { runs, clientPeakKb, backendPeakKb } = JSON.parse(stdout);
      return { ...summary(runs), peakKb: clientPeakKb, backendPeakKb };
    },
  };
}

function http(columns) {
  return {
    name: "pgsql-http",
    inFlight: 1,
    async run(work) {
      return inSession(
        work,
        pgsqlHttp.setup(work.sandbox.token),
        pgsqlHttp.statement(work, columns),
      );
    },
  };
}

/** The foreign tables of one crisp_fdw contestant, which will be told where Crisp is. */
async function createServer(admin, { schema }, prefetch, { websiteId, token }) {
  await admin.query(`CREATE SERVER ${schema} FOREIGN DATA WRAPPER crisp_fdw
    OPTIONS (website_id '${websiteId}', include_empty 'true', base_url 'http://127.0.0.1/v1'
             ${prefetch ? `, prefetch '${prefetch}'` : ""})`);
  await admin.query(`CREATE USER MAPPING FOR CURRENT_USER SERVER ${schema}
    OPTIONS (tier '${token.tier}', identifier '${token.identifier}', key '${token.key}')`);
  await admin.query(`CREATE SCHEMA ${schema}`);
  await admin.query(`IMPORT FOREIGN SCHEMA crisp FROM SERVER ${schema} INTO ${schema}`);
}

/** Does this crisp_fdw fetch ahead? */
async function knowsPrefetch(admin) {
  try {
    await admin.query(
      "CREATE SERVER probe FOREIGN DATA WRAPPER crisp_fdw OPTIONS (prefetch '8')",
    );
  } catch (error) {
    // fdw_invalid_option_name
    if (error.code === "HV00D") {
      return false;
    }
    throw error;
  }
  await admin.query("DROP SERVER probe");
  return true;
}

/**
 * The columns of conversations: {name, type, keys}, keys being the path in the JSON, or
 * {name, type, value} for the one that says which website it is, which the JSON doesn't.
 */
async function conversationColumns(admin, { websiteId }) {
  const { rows } = await admin.query(
    `SELECT column_name AS name, data_type AS type, json_path AS path FROM crisp_fdw_columns()
      WHERE resource = 'conversations' AND column_name <> 'search_query'`,
  );
  return rows.map(({ name, type, path }) =>
    path ? { name, type, keys: path.split(".") } : { name, type, value: websiteId },
  );
}

/**
 * Get all contestants ready: {all, local(work, statement), pointAt(sandbox)}.
 * pgsql-http takes part where it is installed.
 */
export async function contestants(admin, sandbox) {
  await admin.query("CREATE EXTENSION crisp_fdw");
  const all = [];
  const schemas = [];
  for (const prefetch of (await knowsPrefetch(admin)) ? [1, 4, 8] : [undefined]) {
    const contestant = crispFdw(prefetch);
    await createServer(admin, contestant, prefetch, sandbox);
    schemas.push(contestant.schema);
    all.push(contestant);
  }
  await admin.query(`CREATE TABLE pattern (LIKE ${schemas[0]}.conversations)`);
  all.push(floor(1), floor(4), floor(8));

  const columns = await conversationColumns(admin, sandbox);
  all.push(node(columns, admin));
  const { rows } = await admin.query(
    "SELECT 1 FROM pg_available_extensions WHERE name = 'http'",
  );
  if (rows.length > 0) {
    await admin.query("CREATE EXTENSION http");
    all.push(http(columns));
  }
  return {
    all,
    local: (work, statement) => inSession(work, [], statement),
    async pointAt({ base }) {
      for (const schema of schemas) {
        await admin.query(`ALTER SERVER ${schema} OPTIONS (SET base_url '${base}')`);
      }
    },
  };
}
