import { expect, test } from 'vitest';
import { listOperations } from '../../src/db/operations.ts';
import { fail, succeed } from '../../src/result.ts';
import { checkLaunch } from '../../src/provision/launch-checks.ts';
import { startTestOperations } from '../support/operations.ts';

const REFUSED = fail({ code: 'quota', message: 'The quota is too small.', remedy: 'Ask for more.' } as const);

test('a launch that the checks refuse leaves no operation and no audit event', async () => {
  await using lab = await startTestOperations({ script: { preflight: REFUSED } });
  expect(await lab.operations.launch({ numVms: 3, by: 'ada' })).toEqual({
    kind: 'not_ready',
    failure: REFUSED.failure,
  });
  expect((await listOperations(lab.db, { limit: 1 })).operations).toEqual([]);
  expect(await lab.db.selectFrom('audit_events').selectAll().execute()).toEqual([]);
  lab.provider.script.preflight = succeed();
  await lab.ended((await lab.launch(1)).id);
});

test('a launch is not refused because its checks fail or take too long', async () => {
  const warnings: string[] = [];
  const log = { warn: (_fields: object, message: string) => void warnings.push(message) };
  const provider = (preflight: () => Promise<never>) => ({ preflight }) as never;
  const failing = provider(() => Promise.reject(new Error('away')));
  expect(await checkLaunch({ provider: failing, log }, 1)).toEqual(succeed());
  const hanging = provider(() => new Promise(() => undefined));
  expect(await checkLaunch({ provider: hanging, log }, 1, 10)).toEqual(succeed());
  expect(warnings).toHaveLength(2);
});
