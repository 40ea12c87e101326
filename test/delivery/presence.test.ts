// Which machines wait, as it is written down while the database comes and goes.
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { connectDatabase } from '../../src/db/connect.ts';
import { createPresence } from '../../src/delivery/presence.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { insertFreeVms } from '../support/rows.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

const POLLING = { timeout: 15_000, interval: 20 };

test('a machine that left while the database was away waits no longer once it is back', async () => {
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await createTestDatabase());
  const proxy = stack.use(await startTcpProxy(database.connectionString));
  const db = connectDatabase({
    connectionString: proxy.connectionString,
    poolSize: 1,
    applicationName: 'lablink test',
    onIdleError: () => undefined,
  });
  stack.defer(() => db.destroy());
  await insertFreeVms(database.db, ['vm-1']);
  const waiting = new Map([['vm-1', { hostname: 'vm-1', confirms: true }]]);
  const errors: unknown[] = [];
  const presence = createPresence({
    db,
    allocator: randomUUID(),
    find: (hostname) => waiting.get(hostname),
    all: () => [...waiting.values()],
    onError: (error) => errors.push(error),
  });
  const waits = async (): Promise<boolean[]> => {
    const rows = await database.db.selectFrom('vm_presence').select('waiting_until').execute();
    return rows.map(({ waiting_until: until }) => until !== null);
  };
  presence.changed('vm-1');
  await expect.poll(waits, POLLING).toEqual([true]);

  await proxy.cut();
  waiting.clear();
  presence.changed('vm-1');
  await expect.poll(() => errors.length, POLLING).toBe(1);
  await proxy.restore();
  expect(await waits()).toEqual([true]);
  presence.renew();
  await expect.poll(waits, POLLING).toEqual([false]);
  await presence.close();
});
