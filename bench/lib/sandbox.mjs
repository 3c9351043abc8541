// A sandbox of Crisp's API to measure against.

import { RunningSandbox } from "../../sandbox/sandbox.mjs";

export class Sandbox extends RunningSandbox {
  /** Start one with so many conversations and, if that's told, people. */
  static async start(conversations, people) {
    const sandbox = await super.start({ conversations, ...(people && { people }) });
    sandbox.conversations = conversations;
    sandbox.token = sandbox.websiteAccess(0);
    sandbox.websiteId = sandbox.token.website_id;
    return sandbox;
  }

  /** Begin to count requests anew, and delay each answer by so much. */
  async prepare(latencyMs) {
    await this.reset();
    await this.control({ latency_ms: latencyMs });
  }

  /** The requests since prepare(). */
  async log() {
    return (await this.steer("GET", "/_log")).requests;
  }

  /** How many requests there were since prepare(), and over how many connections. */
  async counts() {
    const requests = await this.log();
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
  async page(number, options) {
    const path = `website/${this.websiteId}/conversations/${number}`;
    const query = { per_page: 50, include_empty: 1, order_date_updated: 1, ...options };
    return (await this.request(this.token, "GET", path, { query })).body.data;
  }
}
