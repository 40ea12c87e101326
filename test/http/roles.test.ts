// Instructors: what the contract keeps for admins is refused, on every endpoint.
import { expect, test } from 'vitest';
import { endpointIds, exampleRequest, infoOf } from '../support/contract-examples.ts';
import { sendRaw } from '../support/raw-http.ts';
import { withHeaders } from '../support/status-requests.ts';
import { INSTRUCTOR, problemOf, startStub } from './harness.ts';

// The answers are the last thing: a handler of the stub is reached, which has none.
test('an instructor is refused on every endpoint that is for admins only, and on no other', async () => {
  await using http = await startStub();
  const wrong: string[] = [];
  for (const id of endpointIds) {
    const example = exampleRequest(id);
    const { status } = await sendRaw(http.url, withHeaders(example, { Authorization: INSTRUCTOR }));
    if ((status === 403) !== (infoOf(id).role === 'admin')) wrong.push(`${id}: ${status}`);
  }
  expect(wrong).toEqual([]);
});

test('the refusal says who may do it, to programs and to browsers', async () => {
  await using http = await startStub();
  const asked = (accept: string) =>
    http.form('/api/launch', 'num_vms=1', { authorization: INSTRUCTOR, accept });
  expect(await problemOf(await asked('application/json'))).toMatchObject({
    status: 403,
    code: 'admins_only',
  });
  const shown = await asked('text/html');
  expect([shown.status, await shown.text()]).toEqual([403, '<p>error admins_only launchVms</p>']);
});
