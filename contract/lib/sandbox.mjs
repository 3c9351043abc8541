// Starts the sandbox, and gives access to it: through Crisp's official client,
// and as plain HTTP for what the client hides.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { Crisp } from "crisp-api";

/** A running sandbox. */
export class Sandbox {
  /**
   * Start the program that CRISP_SANDBOX names.  The options are those of its
   * command line: {conversations: 1000} is --conversations 1000.
   */
  static async start(options = {}) {
    const program = process.env.CRISP_SANDBOX;
    if (!program) {
      throw new Error("CRISP_SANDBOX does not say where the sandbox is");
    }
    const args = Object.entries({ port: 0, seed: 42, ...options }).flatMap(([name, value]) => [
      `--${name}`,
      String(value),
    ]);
    const child = spawn(program, [...args, "--exit-with-parent"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = await Promise.race([
      once(createInterface(child.stdout), "line"),
      once(child, "exit").then(([code]) => {
        throw new Error(`the sandbox ended with status ${code}`);
      }),
    ]);
    const base = /^crisp-sandbox: listening on (http:\S+\/v1)$/.exec(line)?.[1];
    if (!base) {
      throw new Error(`the sandbox began with: ${line}`);
    }
    const sandbox = new Sandbox(child, base);
    sandbox.info = await sandbox.#control("GET", "/_info");
    return sandbox;
  }

  constructor(child, base) {
    this.child = child;
    this.base = base;
    this.origin = new URL(base).origin;
  }

  /** Credentials for the website of this number, with its website_id. */
  websiteAccess(number) {
    const { website_id, token } = this.info.websites[number];
    return { website_id, ...token };
  }

  /** Credentials of the plugin, which all websites but the last have installed. */
  pluginAccess() {
    return this.info.plugin;
  }

  /** Credentials of a user. */
  userAccess() {
    return this.info.user;
  }

  async stop() {
    const ended = once(this.child, "exit");
    this.child.kill("SIGTERM");
    const [code] = await ended;
    return code;
  }

  /** Bring the data and the settings back to what they were at the start. */
  reset() {
    return this.#control("POST", "/_reset");
  }

  /** Change how the sandbox answers; see sandbox/README.md. */
  control(settings) {
    return this.#control("POST", "/_control", settings);
  }

  async #control(method, path, body) {
    const response = await fetch(this.origin + path, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) {
      throw new Error(`${method} ${path}: ${response.status} ${text}`);
    }
    return text ? JSON.parse(text) : null;
  }

  /** Crisp's official client, with these credentials. */
  client({ tier, identifier, key }) {
    const client = new Crisp();
    client.setRestHost(this.origin);
    client.authenticateTier(tier, identifier, key);
    return client;
  }

  /**
   * One request as plain HTTP: {status, headers, body}, the body parsed.
   * `credentials` may be null for none at all.
   */
  async request(credentials, method, path, { query = {}, body } = {}) {
    const url = new URL(`${this.base}/${path}`);
    for (const [name, value] of Object.entries(query)) {
      url.searchParams.append(name, typeof value === "object" ? JSON.stringify(value) : value);
    }
    const headers = {};
    if (credentials) {
      const { tier, identifier, key } = credentials;
      headers["X-Crisp-Tier"] = tier;
      headers.Authorization = `Basic ${Buffer.from(`${identifier}:${key}`).toString("base64")}`;
    }
    if (body !== undefined) {
      headers["Content-Type"] = "application/json";
    }
    const response = await fetch(url, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text ? JSON.parse(text) : null,
    };
  }

  /**
   * All pages of a list, from the first to the one that says that it is the
   * last: [{status, rows}].  `path` gets the number of the page at its end.
   */
  async pages(credentials, path, query = {}) {
    const pages = [];
    for (let number = 1; number <= 10000; number++) {
      const { status, body } = await this.request(credentials, "GET", `${path}/${number}`, {
        query,
      });
      if (status !== 200 && status !== 206) {
        throw new Error(`${path}/${number}: ${status} ${JSON.stringify(body)}`);
      }
      pages.push({ status, rows: body.data });
      if (status === 200) {
        return pages;
      }
    }
    throw new Error(`${path} never ends`);
  }

  /** All rows of a list. */
  async rows(credentials, path, query = {}) {
    return (await this.pages(credentials, path, query)).flatMap((page) => page.rows);
  }
}
