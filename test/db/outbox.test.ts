// The outbox with a real mail server and a real receiver of webhooks: what happens is announced once, is sent once, and is given up
// after five tries.
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { addRecipient, changeRecipient, listDeliveries, retryDelivery } from '../../src/db/notifications.ts';
import { addNotification, type DueDelivery } from '../../src/db/outbox.ts';
import { createMailSender } from '../../src/notify/email.ts';
import { composeMessage } from '../../src/notify/message.ts';
import { startSender, type Sender, type SenderOptions } from '../../src/notify/sender.ts';
import { createWebhookSender } from '../../src/notify/webhook.ts';
import { notificationEvents } from '../../src/vms/notifications.ts';
import { emptyTables } from '../support/empty-tables.ts';
import { createTestClock, type TestClock } from '../support/test-clock.ts';
import { startMailServer, type MailServer } from '../support/mail-server.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';

let database: TestDatabase;
let db: TestDatabase['db'];
let mail: MailServer;
let hook: WebhookReceiver;
beforeAll(async () => {
  database = await createTestDatabase();
  db = database.db;
  mail = await startMailServer();
  hook = await startWebhookReceiver();
});
afterAll(async () => {
  await mail[Symbol.asyncDispose]();
  await hook[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await emptyTables(db);
  mail.refuse(null);
  mail.release();
  hook.answerWith(null);
  sentBefore = { mails: mail.received.length, hooks: hook.received.length, requests: hook.requests.length };
});

let sentBefore = { mails: 0, hooks: 0, requests: 0 };
const newMails = () => mail.received.slice(sentBefore.mails);
const newHooks = () => hook.received.slice(sentBefore.hooks);
const newRequests = () => hook.requests.slice(sentBefore.requests);

const context = {
  title: 'Pose estimation',
  site: 'lablink · test',
  publicAddress: 'https://lab.example.org',
};

/** An allocator that looks only when it is asked to. */
function startTestSender(clock: TestClock, parts: Partial<SenderOptions> = {}): Sender & AsyncDisposable {
  const { port } = mail;
  const sender = startSender({
    db,
    owner: crypto.randomUUID(),
    clock,
    senders: {
      email: createMailSender({
        ...{ host: '127.0.0.1', port, tls: 'none', from: 'lablink@example.org' },
        ...{ user: undefined, password: undefined },
      }),
      webhook: createWebhookSender({ allowPrivate: true, userAgent: 'test', now: () => new Date() }),
    },
    compose: ({ event, data }: DueDelivery) => Promise.resolve(composeMessage(event, data, context)),
    openSecret: (sealed) => sealed,
    onFailed: () => undefined,
    onError: (error) => {
      throw error;
    },
    ...parts,
    // Never by itself.
    intervals: { lookMs: 1e12, ...parts.intervals },
  });
  return { ...sender, [Symbol.asyncDispose]: () => sender.close() };
}

async function recipient(kind: 'email' | 'webhook', address: string): Promise<string> {
  const id = crypto.randomUUID();
  const sealedSecret = kind === 'webhook' ? hook.secret : null;
  await addRecipient(db, { id, kind, address, sealedSecret, events: notificationEvents }, 'admin');
  return id;
}

const happens = (key: string) => addNotification(db, { key, event: 'people_waiting', data: {} });

describe('what happens', () => {
  test('the same thing is announced once, to each recipient who chose it and is not paused', async () => {
    const mailed = await recipient('email', 'ada@example.org');
    await recipient('webhook', hook.url);
    const paused = await recipient('email', 'paused@example.org');
    await changeRecipient(db, { id: paused, who: 'admin' }, { kind: 'pause' });
    await Promise.all([happens('one'), happens('one'), happens('one')]);
    await changeRecipient(db, { id: mailed, who: 'admin' }, { kind: 'events', events: ['backup_failed'] });
    await happens('two');
    const clock = createTestClock();
    await using sender = startTestSender(clock);
    await using other = startTestSender(clock);
    await Promise.all([sender.sendDue(), other.sendDue(), sender.sendDue()]);
    expect(newMails().map(({ to, subject }) => [to, subject])).toEqual([
      [['ada@example.org'], 'Pose estimation: people are waiting for a machine'],
    ]);
    expect(newMails()[0]?.text).toContain('https://lab.example.org/admin/waiting-list');
    expect(newHooks().map(({ payload }) => payload.type)).toEqual(['people.waiting', 'people.waiting']);
    expect(new Set(newHooks().map(({ id }) => id)).size).toBe(2);
  });

  test('a notification that was rolled back with its fact is not sent', async () => {
    await recipient('webhook', hook.url);
    const undone = db.transaction().execute(async (trx) => {
      await addNotification(trx, { key: 'undone', event: 'people_waiting', data: {} });
      throw new Error('undone');
    });
    await expect(undone).rejects.toThrow('undone');
    await using sender = startTestSender(createTestClock());
    await sender.sendDue();
    expect(newRequests()).toEqual([]);
  });
});

test('a mail server that takes 30 seconds, while the lease lasts 10, gets one mail', async () => {
  await recipient('email', 'ada@example.org');
  await happens('slow');
  const clock = createTestClock();
  const before = mail.arrived();
  mail.hold();
  await using sender = startTestSender(clock);
  const sending = sender.sendDue();
  await vi.waitFor(() => expect(mail.arrived()).toBe(before + 1));
  // Now it has the delivery.
  await using other = startTestSender(clock);
  const leaseUntil = async (): Promise<number> => {
    const row = await db
      .selectFrom('notification_deliveries')
      .select('lease_until')
      .executeTakeFirstOrThrow();
    return row.lease_until?.getTime() ?? 0;
  };
  for (let second = 0; second < 30; second += 3) {
    const until = await leaseUntil();
    // Both loops, and the one that renews.
    await vi.waitFor(() => expect(clock.sleeping()).toBe(3));
    clock.advance(3_000);
    await vi.waitFor(async () => expect(await leaseUntil()).toBe(until + 3_000));
    await other.sendDue();
  }
  mail.release();
  await sending;
  await other.sendDue();
  expect(mail.arrived()).toBe(before + 1);
  expect(newMails()).toHaveLength(1);
  expect(await listDeliveries(db)).toMatchObject([{ status: 'sent', tries: 1 }]);
});

test('a database that does not answer does not hold a sender up until its lease is over', async () => {
  await recipient('email', 'ada@example.org');
  await happens('unanswered');
  const clock = createTestClock();
  const before = mail.arrived();
  mail.hold();
  const intervals = { leaseMs: 600, renewMs: 200 };
  await using sender = startTestSender(clock, { intervals });
  const sending = sender.sendDue();
  await vi.waitFor(() => expect(mail.arrived()).toBe(before + 1));
  await db.transaction().execute(async (trx) => {
    await sql`select from notification_deliveries for update`.execute(trx);
    // The loop that looks, and the one that renews.
    await vi.waitFor(() => expect(clock.sleeping()).toBe(2));
    clock.advance(200);
    // It gives up while the row cannot be written.
    await sending;
  });
  mail.release();
  expect(newMails()).toEqual([]);
});

test('a delivery that failed unexpectedly is not held by its lease', async () => {
  await recipient('webhook', hook.url);
  await happens('no text');
  const clock = createTestClock();
  const errors: unknown[] = [];
  const sender = startTestSender(clock, {
    compose: () => Promise.reject(new Error('no text')),
    onError: (error) => errors.push(error),
  });
  await sender.sendDue();
  expect(errors).toEqual([new Error('no text')]);
  await sender.close();
  expect(clock.sleeping()).toBe(0);
});

test('a delivery whose allocator has died is taken over after its lease, and keeps its id', async () => {
  await recipient('webhook', hook.url);
  await happens('died');
  const clock = createTestClock();
  const dying = startTestSender(clock, {
    senders: { email: () => new Promise(() => undefined), webhook: () => new Promise(() => undefined) },
  });
  void dying.sendDue();
  await vi.waitFor(async () => expect(await listDeliveries(db)).toMatchObject([{ tries: 1 }]));
  await using sender = startTestSender(clock);
  await sender.sendDue();
  expect(newRequests()).toEqual([]);
  await sql`update notification_deliveries set lease_owner = 'of a process that is gone'`.execute(db);
  clock.advance(10_000);
  await sender.sendDue();
  const [delivery] = await listDeliveries(db);
  expect(delivery).toMatchObject({ status: 'sent', tries: 2 });
  expect(newHooks().map(({ id }) => id)).toEqual([delivery?.id]);
});

describe('a receiver that does not accept', () => {
  const answers = {
    'answers 500': (response) => void response.writeHead(500).end('x'.repeat(100_000)),
    redirects: (response) => void response.writeHead(302, { Location: `${hook.url}/elsewhere` }).end(),
    hangs: () => undefined,
    'cuts the connection': (response) => void response.destroy(),
  } as const satisfies Record<string, Parameters<WebhookReceiver['answerWith']>[0]>;

  test.each(Object.entries(answers))(
    'a webhook that %s is tried five times, then it has failed',
    async (_name, answer) => {
      await recipient('webhook', hook.url);
      await happens('bad');
      hook.answerWith(answer);
      const clock = createTestClock();
      await using sender = startTestSender(clock, { intervals: { webhookMs: 100 } });
      for (let look = 0; look < 10; look += 1) {
        await sender.sendDue();
        clock.advance(1_800_000);
      }
      expect(newRequests()).toHaveLength(5);
      expect(newRequests().every(({ path }) => path === '/hook')).toBe(true);
      const [delivery] = await listDeliveries(db);
      expect(delivery).toMatchObject({ status: 'failed', tries: 5 });
      expect(delivery?.problem).toMatch(/^The webhook /);

      hook.answerWith(null);
      expect(await retryDelivery(db, { id: delivery?.id ?? '', who: 'admin' })).toBe(true);
      await sender.sendDue();
      expect(newHooks()).toHaveLength(1);
      expect(await retryDelivery(db, { id: delivery?.id ?? '', who: 'admin' })).toBe(false);
    },
  );

  test('the pause that a webhook asks for with 429 is kept, but for an hour at most', async () => {
    await recipient('webhook', hook.url);
    await happens('busy');
    const clock = createTestClock();
    await using sender = startTestSender(clock);
    hook.answerWith((response) => void response.writeHead(429, { 'Retry-After': '300' }).end());
    await sender.sendDue();
    clock.advance(299_000);
    await sender.sendDue();
    expect(newRequests()).toHaveLength(1);
    hook.answerWith((response) => void response.writeHead(429, { 'Retry-After': '999999' }).end());
    clock.advance(1_000);
    await sender.sendDue();
    expect(newRequests()).toHaveLength(2);
    clock.advance(3_600_000);
    hook.answerWith(null);
    await sender.sendDue();
    expect(newHooks()).toHaveLength(1);
  });

  test('a mail server that is busy is asked again, and one that refuses the address is not', async () => {
    await recipient('email', 'ada@example.org');
    await happens('mail');
    const clock = createTestClock();
    await using sender = startTestSender(clock);
    mail.refuse(450);
    await sender.sendDue();
    expect(await listDeliveries(db)).toMatchObject([
      { status: 'waiting', problem: 'The mail server answered 450.' },
    ]);
    clock.advance(30_000);
    mail.refuse(550);
    await sender.sendDue();
    expect(await listDeliveries(db)).toMatchObject([
      { status: 'failed', problem: 'The mail server answered 550.', tries: 2 },
    ]);
  });

  test('the tries of an allocator that stops do not count, and nothing is sent while a recipient is paused', async () => {
    const id = await recipient('webhook', hook.url);
    await happens('stopped');
    hook.answerWith(() => undefined);
    const clock = createTestClock();
    const stopping = startTestSender(clock, { intervals: { stopMs: 10 } });
    const sending = stopping.sendDue();
    await vi.waitFor(() => expect(newRequests()).toHaveLength(1));
    await stopping.close();
    await sending;
    expect(await listDeliveries(db)).toMatchObject([{ status: 'waiting', tries: 0 }]);
    hook.answerWith(null);
    await changeRecipient(db, { id, who: 'admin' }, { kind: 'pause' });
    await using sender = startTestSender(clock);
    await sender.sendDue();
    expect(newHooks()).toEqual([]);
    await changeRecipient(db, { id, who: 'admin' }, { kind: 'test' });
    await sender.sendDue();
    expect(newHooks().map(({ payload }) => payload.type)).toEqual(['test']);
    await changeRecipient(db, { id, who: 'admin' }, { kind: 'resume' });
    await sender.sendDue();
    expect(newHooks().map(({ payload }) => payload.type)).toEqual(['test', 'people.waiting']);
  });
});
