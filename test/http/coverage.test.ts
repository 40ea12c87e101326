// Every endpoint × every declared status: a real answer, from a real server, and none that is not declared.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import type { EndpointId } from '../../src/contract/endpoints.gen.ts';
import { createAgentHandlers } from '../../src/handlers/agent.ts';
import { exampleRequest, infoOf, endpointIds } from '../support/contract-examples.ts';
import { createScriptedProvider } from '../doubles/scripted-provider.ts';
import { createCoverage } from '../support/coverage-table.ts';
import { inAllTypes, usualRequests, withHeaders } from '../support/status-requests.ts';
import { AS_ACCOUNT } from '../support/account-requests.ts';
import { downloadsExample } from '../support/special-answers.ts';
import { specialRequests, type Lab } from '../support/special-requests.ts';
import { shortIntervals, WAIT } from '../support/operations.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { sendRaw } from '../support/raw-http.ts';
import { EXAMPLE, seedLab } from '../support/example-rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';
import { ADMIN as STUB_ADMIN, INSTRUCTOR, startStub } from './harness.ts';

/** Nothing may be missing. */
const coverage = createCoverage(() => true);
afterAll(() => console.log(coverage.table()));

const declares = (id: EndpointId, status: number): boolean => String(status) in infoOf(id).responses;

/** Sends the example of every endpoint that declares the status and has not been seen with it. */
async function sendExamples(
  url: string,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (const id of endpointIds.filter((each) => declares(each, status) && !coverage.isSeen(each, status)))
    for (const request of inAllTypes(id, exampleRequest(id)))
      coverage.note(id, await sendRaw(url, withHeaders(request, headers)));
}

const logSchema = z.object({ endpoint: z.string().nullish(), status: z.number().nullish() });

/** Nothing that the server has logged is undeclared. */
function expectDeclared({ logLines }: TestServer): void {
  const undeclared = logLines
    .map((line) => logSchema.parse(JSON.parse(line)))
    .filter(({ endpoint, status }) => {
      const id = endpointIds.find((each) => each === endpoint);
      return id !== undefined && typeof status === 'number' && !declares(id, status);
    });
  expect(undeclared).toEqual([]);
}

/** The lab anew. What runs is let go before: it would write into the new rows. */
async function reseed({ db, provider }: Lab): Promise<void> {
  provider.release();
  await vi.waitFor(async () => {
    const active = await db
      .selectFrom('operations')
      .select('id')
      .where('status', 'in', ['queued', 'running'])
      .execute();
    expect(active).toEqual([]);
  }, WAIT);
  await seedLab(db);
}

test('the statuses that depend on the data of a request are answered as declared', async () => {
  const provider = createScriptedProvider();
  await using server = await startTestServer(
    { POLL_MAX_SECONDS: '1' },
    { provider, operationIntervals: shortIntervals },
  );
  const { url, db, dataDir } = server;
  const lab = { url, db, dataDir, provider };
  for (const id of endpointIds) {
    const statuses = Object.keys(infoOf(id).responses).map(Number);
    const usual = statuses.flatMap((status) => usualRequests(id, status));
    for (const request of usual.flatMap((each) => inAllTypes(id, each))) {
      await reseed(lab);
      coverage.note(id, await sendRaw(server.url, request));
    }
    for (const special of specialRequests[id] ?? []) {
      await reseed(lab);
      coverage.note(id, await special(lab));
    }
  }
  // The seeded machines have no address: none of them can be searched.
  expect(coverage.seen(500)).toEqual([
    'downloadOwnFiles',
    'downloadSelectedVms',
    'downloadData',
    'downloadVmData',
  ]);
  expectDeclared(server);
}, 120_000);

test('403 is answered by every endpoint for admins only when an instructor calls it', async () => {
  await using http = await startStub();
  await sendExamples(http.url, 403, { Authorization: INSTRUCTOR });
});

test("the examples of the contract's request bodies are accepted", async () => {
  const provider = createScriptedProvider();
  await using server = await startTestServer({}, { provider, operationIntervals: shortIntervals });
  const { url, db, dataDir } = server;
  const lab = { url, db, dataDir, provider };
  for (const id of endpointIds.filter((each) => infoOf(each).consumes.length > 0)) {
    await reseed(lab);
    // The example is what an agent says once its participant is gone.
    if (id === 'postRecycled') await sendRaw(server.url, exampleRequest('releaseAssignment'));
    if (id === 'moveWaiting')
      await server.db
        .insertInto('waiting_list')
        .values({ id: EXAMPLE.placeId, email: 'joan@example.org', code: '271828' })
        .execute();
    const headers = { Accept: 'application/json', ...(id === 'changeOwnPassword' && AS_ACCOUNT) };
    // Its machine must be reachable, and have files.
    const answer =
      id === 'downloadSelectedVms'
        ? await downloadsExample(lab)
        : await sendRaw(server.url, withHeaders(exampleRequest(id), headers));
    expect(answer.status, `${id}: ${answer.text}`).toBeOneOf([200, 201, 202]);
  }
}, 120_000);

test('the agent is served where it was built, and is 404 where it was not', async () => {
  const agentFolder = await mkdtemp(join(tmpdir(), 'lablink-agent-'));
  onTestFinished(() => rm(agentFolder, { recursive: true }));
  const { getAgentFile } = createAgentHandlers({ agentFolder });
  await using http = await startStub({ getAgentFile: (input) => getAgentFile(input as never) });
  for (const file of ['lablink-agent.mjs', 'SHA256SUMS', 'lablink-agent-linux-x64.gz']) {
    const request = { path: `/agent/${file}` };
    coverage.note('getAgentFile', await sendRaw(http.url, request));
    await writeFile(join(agentFolder, file), 'built');
    coverage.note('getAgentFile', await sendRaw(http.url, request));
  }
});

test('metrics are 404 behind a proxy that nobody has configured', async () => {
  await using server = await startTestServer();
  const request = { path: '/metrics', headers: { 'X-Forwarded-For': '192.0.2.1' } };
  coverage.note('getMetrics', await sendRaw(server.url, request));
});

test('429 is answered by every endpoint that declares it when one request a minute is allowed', async () => {
  await using server = await startTestServer({ REQUESTS_PER_MINUTE: '1' });
  await sendRaw(server.url, { path: '/' });
  // Credentials are looked at once, and known browsers and callers have one request of their own.
  for (let round = 0; round < 3; round += 1) await sendExamples(server.url, 429);
  expectDeclared(server);
});

test('500 is answered by every endpoint that declares it when the schema or the handler is broken', async () => {
  await using server = await startTestServer();
  await seedLab(server.db);
  await sql`alter table vms rename to vms_gone`.execute(server.db);
  await sql`alter table assignments rename to assignments_gone`.execute(server.db);
  await sql`alter table operations rename to operations_gone`.execute(server.db);
  await sendExamples(server.url, 500);
  expectDeclared(server);
  await using http = await startStub();
  await sendExamples(http.url, 500, { Authorization: STUB_ADMIN });
  // An admin's password is none of its credentials.
  await sendExamples(http.url, 500);
});

test('503 is answered by every endpoint that declares it when Postgres is away or the server is stopping', async () => {
  await using database = await createTestDatabase();
  await using proxy = await startTcpProxy(database.connectionString);
  await using server = await startTestServer({ DATABASE_URL: proxy.connectionString });
  await seedLab(database.db);
  await proxy.cut();
  await sendExamples(server.url, 503);
  await proxy.restore();
  expectDeclared(server);
  await using stopping = await startStub({}, { isStopping: () => true });
  await sendExamples(stopping.url, 503);
});

test('every declared status was answered, and no other', () => {
  expect(coverage.missing()).toEqual([]);
  expect(coverage.undeclared()).toEqual([]);
});
