// The API with its types, which ./schema.ts has from the document (`make client`).

import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./schema.js";

/** What bodies are, by Harbor's names. */
export type Schemas = components["schemas"];

/** Who calls; nobody without one. A browser's session needs none of these. */
export interface Credentials {
  username: string;
  password: string;
}

/**
 * A client of the server at `baseUrl`, such as `https://registry.example.com`. Each method answers
 * `data`, or `error` as the document has it for the operation.
 */
export function connect(baseUrl: string, credentials?: Credentials): Client<paths> {
  const headers: Record<string, string> = {};
  if (credentials) {
    const bytes = new TextEncoder().encode(`${credentials.username}:${credentials.password}`);
    headers["Authorization"] = `Basic ${btoa(String.fromCharCode(...bytes))}`;
  }
  return createClient<paths>({ baseUrl, headers });
}
