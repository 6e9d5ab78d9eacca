// Compiled, and run against a server by tests/tests/document: ADDRESS, USERNAME and PASSWORD say which.

import assert from "node:assert/strict";

import { connect, type Schemas } from "../src/client/client.js";

function variable(name: string): string {
  const value = process.env[name];
  assert(value, `${name} is not set`);
  return value;
}

const address = variable("ADDRESS");
const credentials = { username: variable("USERNAME"), password: variable("PASSWORD") };
const api = connect(address, credentials);

const PROJECTS = "/api/v2.0/projects";
const PROJECT = "/api/v2.0/projects/{project_name_or_id}";

async function names(): Promise<string[]> {
  const { data, response } = await api.GET(PROJECTS, { params: { query: { page_size: 100 } } });
  assert(data);
  assert.equal(response.headers.get("X-Total-Count"), String(data.length));
  return data.map((project) => project.name);
}

assert.deepEqual(await names(), ["library"]);

const body: Schemas["ProjectReq"] = { project_name: "typed", metadata: { public: "false" } };
const made = await api.POST(PROJECTS, { body });
assert.equal(made.response.status, 201);
assert.deepEqual(await names(), ["library", "typed"]);

const of = { params: { path: { project_name_or_id: "typed" } } };
const { data: project } = await api.GET(PROJECT, of);
assert(project);
const severity: string | undefined = project.metadata?.severity;
const roles: number[] = project.current_user_role_ids ?? [];
assert.equal(severity, undefined);
assert(roles.every(Number.isInteger));
assert.equal(project.metadata?.public, "false");

// Errors have a type, too.
const again = await api.POST(PROJECTS, { body });
const conflict: Schemas["Errors"] | undefined = again.error;
assert.equal(again.response.status, 409);
assert.equal(conflict?.errors[0]?.code, "CONFLICT");
const stranger = await connect(address).GET(PROJECT, of);
assert.equal(stranger.error?.errors[0]?.code, "UNAUTHORIZED");

// What the document does not have does not compile.
// @ts-expect-error there is no such path
await api.GET("/api/v2.0/project");
// @ts-expect-error a page is a number
await api.GET(PROJECTS, { params: { query: { page: "one" } } });
// @ts-expect-error a path has a parameter
await api.GET(PROJECT, {});
// @ts-expect-error there is no such field
assert.equal(project.public, undefined);
// @ts-expect-error what is text is no number
const wrong: Schemas["ProjectReq"] = { project_name: 1 };
assert(wrong);
console.log("typed");
