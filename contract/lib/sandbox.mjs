// The sandbox as the contract test sees it: through Crisp's official client, and as plain HTTP for
// what the client hides.

import { Crisp } from "crisp-api";
import { RunningSandbox } from "../../sandbox/sandbox.mjs";

export class Sandbox extends RunningSandbox {
  /** Credentials of the plugin, which all websites but the last have installed. */
  pluginAccess() {
    return this.info.plugin;
  }

  /** Credentials of a user. */
  userAccess() {
    return this.info.user;
  }

  /** Crisp's official client, with these credentials. */
  client({ tier, identifier, key }) {
    const client = new Crisp();
    client.setRestHost(this.origin);
    client.authenticateTier(tier, identifier, key);
    return client;
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
