// A sandbox of Crisp's API to measure against.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export class Sandbox {
  /** Start one with so many conversations; CRISP_SANDBOX names the program. */
  static async start(conversations) {
    const child = spawn(
      process.env.CRISP_SANDBOX,
      ["--port", 0, "--seed", 42, "--conversations", conversations, "--exit-with-parent"],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
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
    const sandbox = new Sandbox(child, base, conversations);
    const { websites } = await sandbox.#steer("GET", "/_info");
    sandbox.websiteId = websites[0].website_id;
    sandbox.token = websites[0].token;
    return sandbox;
  }

  constructor(child, base, conversations) {
    this.child = child;
    this.base = base;
    this.origin = new URL(base).origin;
    this.conversations = conversations;
  }

  async stop() {
    const ended = once(this.child, "exit");
    this.child.kill("SIGTERM");
    await ended;
  }

  /** Begin to count requests anew, and delay each answer by so much. */
  async prepare(latencyMs) {
    await this.#steer("POST", "/_reset");
    await this.#steer("POST", "/_control", { latency_ms: latencyMs });
  }

  /** How many requests there were since prepare(), and over how many connections. */
  async counts() {
    const { requests } = await this.#steer("GET", "/_log");
    return {
      requests: requests.length,
      connections: new Set(requests.map((request) => request.connection)).size,
    };
  }

  /** The URL of a path below the website. */
  url(path) {
    return `${this.base}/website/${this.websiteId}/${path}`;
  }

  /** A page of conversations, newest update first. */
  async page(number) {
    const { tier, identifier, key } = this.token;
    const response = await fetch(
      `${this.url(`conversations/${number}`)}?per_page=50&include_empty=1&order_date_updated=1`,
      {
        headers: {
          "X-Crisp-Tier": tier,
          Authorization: `Basic ${Buffer.from(`${identifier}:${key}`).toString("base64")}`,
        },
      },
    );
    return (await response.json()).data;
  }

  async #steer(method, path, body) {
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
}
