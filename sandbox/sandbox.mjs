// The sandbox for programs in JavaScript: starts it, steers it, and sends requests to its API as
// plain HTTP.  The contract test and the benchmark add what each of them needs.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

/** A running sandbox. */
export class RunningSandbox {
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
    const sandbox = new this(child, base);
    sandbox.info = await sandbox.steer("GET", "/_info");
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

  async stop() {
    const ended = once(this.child, "exit");
    this.child.kill("SIGTERM");
    const [code] = await ended;
    return code;
  }

  /** Bring the data and the settings back to what they were at the start. */
  reset() {
    return this.steer("POST", "/_reset");
  }

  /** Change how the sandbox answers; see README.md. */
  control(settings) {
    return this.steer("POST", "/_control", settings);
  }

  /** A request to the sandbox itself, not to the API that it plays. */
  async steer(method, path, body) {
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
}
