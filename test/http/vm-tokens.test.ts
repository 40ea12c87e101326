// A VM's token against the whole server: good for its own hostname alone, whichever field or path names it.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hashToken } from '../../src/vms/token.ts';
import type { EndpointId } from '../../src/contract/endpoints.gen.ts';
import { exampleRequest, infoOf, endpointIds } from '../support/contract-examples.ts';
import { dumpRows } from '../support/dump-rows.ts';
import { withHeaders } from '../support/status-requests.ts';
import { sendRaw, type RawAnswer, type RawRequest } from '../support/raw-http.ts';
import { EXAMPLE, FREE, seedLab } from '../support/example-rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const OWN = EXAMPLE.hostname;
const OTHER = FREE[0];
const TOKENS = { [OWN]: 'token-of-the-own-machine', [OTHER]: 'token-of-another-machine' };
const FORWARDER = 'token-of-the-log-forwarder-1';
const REGISTRATION = 'token-of-the-registration-1';

/** Every endpoint that takes the token of a VM. */
const vmEndpoints = endpointIds.filter((id) =>
  infoOf(id).security.some((schemes) => schemes.includes('vmToken')),
);
const bearer = (request: RawRequest, token: string): RawRequest =>
  withHeaders(request, { Authorization: `Bearer ${token}` });
const codeOf = ({ text }: RawAnswer): unknown => (JSON.parse(text) as { code?: unknown }).code;

/** The example, about another machine. */
function aboutOther(id: EndpointId): RawRequest {
  const { path, body, ...rest } = exampleRequest(id);
  if (typeof body !== 'string') throw new Error(`${id} has no body`);
  return { ...rest, path: path.replace(OWN, OTHER), body: body.replace(OWN, OTHER) };
}

test('every endpoint for VMs declares where the request names the VM', () => {
  expect(vmEndpoints.length).toBeGreaterThanOrEqual(9);
  for (const id of vmEndpoints) {
    expect(infoOf(id).hostnameIn, id).not.toBeNull();
    expect(JSON.stringify(aboutOther(id)), id).toContain(OTHER);
  }
});

describe.each(['open', 'required'])('with VM_AUTH=%s', (mode) => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startTestServer({
      VM_AUTH: mode,
      POLL_MAX_SECONDS: '1',
      LOG_FORWARDER_TOKEN: FORWARDER,
      REGISTRATION_TOKEN: REGISTRATION,
    });
  });
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    await seedLab(server.db);
    for (const [hostname, token] of Object.entries(TOKENS))
      await server.db
        .updateTable('vms')
        .set({ token_hash: hashToken(token) })
        .where('hostname', '=', hostname)
        .execute();
  });

  /** Refused, and nothing changed. */
  async function expectRefused(request: RawRequest, code: string): Promise<void> {
    const before = await dumpRows(server.db);
    const answer = await sendRaw(server.url, request);
    expect(answer.status, answer.text).toBe(401);
    expect(codeOf(answer)).toBe(code);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer /);
    expect(await dumpRows(server.db)).toEqual(before);
  }

  test.each(vmEndpoints)('%s accepts the token of the VM itself', async (id) => {
    const { status } = await sendRaw(server.url, bearer(exampleRequest(id), TOKENS[OWN]));
    // 409: somebody has the machine, so it cannot have been emptied.
    expect(status).toBe(id === 'postRecycled' ? 409 : 200);
  });

  test.each(vmEndpoints)('%s refuses the token of another VM and changes nothing', async (id) => {
    await expectRefused(bearer(exampleRequest(id), TOKENS[OTHER]), 'token_wrong');
    await expectRefused(bearer(aboutOther(id), TOKENS[OWN]), 'token_wrong');
  });

  test.each(vmEndpoints)('%s refuses an unknown token, the registration token and a password', async (id) => {
    await expectRefused(bearer(exampleRequest(id), 'nobodys'), 'token_wrong');
    await expectRefused(bearer(exampleRequest(id), REGISTRATION), 'token_wrong');
    const password = `Basic ${Buffer.from('admin:a password for tests').toString('base64')}`;
    await expectRefused(withHeaders(exampleRequest(id), { Authorization: password }), 'token_wrong');
  });

  test.each(vmEndpoints)('%s without a token is refused for a VM that has one', async (id) => {
    await expectRefused(exampleRequest(id), 'token_required');
  });

  test.each(vmEndpoints)('%s for a VM that has no token is answered as VM_AUTH says', async (id) => {
    await server.db.updateTable('vms').set({ token_hash: null }).where('hostname', '=', OWN).execute();
    if (mode === 'required') await expectRefused(exampleRequest(id), 'token_required');
    else
      expect((await sendRaw(server.url, exampleRequest(id))).status).toBe(id === 'postRecycled' ? 409 : 200);
  });

  test('the forwarder may push the logs of every VM, and nothing else', async () => {
    expect((await sendRaw(server.url, bearer(exampleRequest('postVmLogs'), FORWARDER))).status).toBe(200);
    expect((await sendRaw(server.url, bearer(aboutOther('postVmLogs'), FORWARDER))).status).toBe(200);
    for (const id of vmEndpoints.filter((each) => each !== 'postVmLogs'))
      await expectRefused(bearer(exampleRequest(id), FORWARDER), 'token_wrong');
  });

  test('the token of a VM is refused by endpoints that are not for VMs', async () => {
    const closed = endpointIds.filter(
      (id) => !vmEndpoints.includes(id) && !infoOf(id).security.some((schemes) => schemes.length === 0),
    );
    expect(closed.length).toBeGreaterThan(10);
    for (const id of closed) {
      const before = await dumpRows(server.db);
      expect((await sendRaw(server.url, bearer(exampleRequest(id), TOKENS[OWN]))).status, id).toBe(401);
      expect(await dumpRows(server.db)).toEqual(before);
    }
  });

  test('the token of a VM cannot report on the assignment of another VM', async () => {
    const outcome = exampleRequest('postOutcome');
    const body = JSON.stringify({ hostname: OTHER, outcome: 'failed' });
    const before = await dumpRows(server.db);
    expect((await sendRaw(server.url, bearer({ ...outcome, body }, TOKENS[OTHER]))).status).toBe(404);
    expect(await dumpRows(server.db)).toEqual(before);
  });
});
