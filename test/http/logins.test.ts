// Passwords and registration tokens cannot be tried out.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { startStub, html, json, type Harness } from './harness.ts';
import type { FailedLogin } from '../../src/http/login-limit.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { auditFailedLogins } from '../../src/app/failed-logins.ts';

type Looks = { readonly http: Harness; readonly looked: () => number; readonly failed: FailedLogin[] };

let t: Looks;
let looked = 0;

beforeAll(async () => {
  // Only the date: the minutes of the limiter pass when the test says so.
  vi.useFakeTimers({ toFake: ['Date'] });
  const failed: FailedLogin[] = [];
  const remembered = new Set<string>();
  const http = await startStub(
    { adminPage: () => html('overview'), registerVm: () => json({}, 401) },
    {
      trustProxy: true,
      onFailedLogin: (failure) => failed.push(failure),
      authenticate: {
        isBuiltIn: () => false,
        remembered: (user, password) =>
          Promise.resolve(
            password === 'the right one' && remembered.has(user) ? { user, role: 'admin' } : null,
          ),
        basic: (user, password) => {
          looked += 1;
          if (password !== 'the right one') return Promise.resolve(null);
          remembered.add(user);
          return Promise.resolve({ user, role: 'admin' });
        },
        bearer: () => {
          looked += 1;
          return Promise.resolve(null);
        },
        hasToken: () => Promise.resolve(false),
      },
    },
  );
  t = { http, looked: () => looked, failed };
});
afterAll(async () => {
  vi.useRealTimers();
  await t.http[Symbol.asyncDispose]();
});
beforeEach(() => {
  vi.setSystemTime(Date.now() + 120_000);
  looked = 0;
  t.failed.length = 0;
});

const tryPassword = async (
  password: string,
  from: string,
  userAgent = 'guesser',
  user = 'admin',
): Promise<Response> =>
  t.http.get('/admin', {
    headers: {
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
      'x-forwarded-for': from,
      'user-agent': userAgent,
    },
  });

async function statuses(tries: readonly Promise<Response>[]): Promise<Record<string, number>> {
  const answers = await Promise.all(tries);
  const counted: Record<string, number> = {};
  for (const { status } of answers) counted[status] = (counted[status] ?? 0) + 1;
  return counted;
}

const guesses = (count: number, from: (index: number) => string): Promise<Response>[] =>
  Array.from({ length: count }, (_, index) => tryPassword(`guess ${index}`, from(index)));

describe('wrong passwords', () => {
  test('of five hundred wrong passwords of one address, at once, ten are looked at in a minute', async () => {
    expect(await statuses(guesses(500, () => '198.51.100.1'))).toEqual({ 401: 10, 429: 490 });
    expect(looked).toBe(10);
    const refused = await tryPassword('the right one', '198.51.100.1');
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50);
    // The right one from another address, at once.
    expect((await tryPassword('the right one', '198.51.100.2')).status).toBe(200);
    vi.setSystemTime(Date.now() + 61_000);
    expect((await tryPassword('the right one', '198.51.100.1')).status).toBe(200);
  });

  test('the failures of an address are reported twice a minute: the first one, and the one that blocks it', async () => {
    await Promise.all(guesses(50, () => '198.51.100.3'));
    const failure = { address: '198.51.100.3', scheme: 'password' };
    expect(t.failed).toEqual([
      { ...failure, failures: 1, isBlocked: false },
      { ...failure, failures: 10, isBlocked: true },
    ]);
  });

  test('one name is slowed, from whatever addresses, but no other name, and no client that was right before', async () => {
    expect((await tryPassword('the right one', '198.51.100.7', 'the browser of ada', 'ada')).status).toBe(
      200,
    );
    looked = 0;
    const tries = Array.from({ length: 90 }, (_, index) =>
      tryPassword('a guess', `203.0.113.${index}`, 'guesser', 'ada'),
    );
    expect([await statuses(tries), looked]).toEqual([{ 401: 30, 429: 60 }, 30]);
    expect((await tryPassword('the right one', '198.51.100.8', 'guesser', 'ada')).status).toBe(429);
    expect((await tryPassword('the right one', '198.51.100.8', 'guesser', 'grace')).status).toBe(200);
    expect((await tryPassword('the right one', '198.51.100.7', 'the browser of ada', 'ada')).status).toBe(
      200,
    );
  });

  test('a client that was right with one name has no more tries at another one', async () => {
    expect((await tryPassword('the right one', '198.51.100.9', 'a browser', 'ada')).status).toBe(200);
    const tries = Array.from({ length: 20 }, () =>
      tryPassword('a guess', '198.51.100.9', 'a browser', 'grace'),
    );
    expect(await statuses(tries)).toEqual({ 401: 10, 429: 10 });
    const all = Array.from({ length: 40 }, () => tryPassword('a guess', '198.51.100.9', 'another', 'linus'));
    expect(await statuses(all)).toEqual({ 429: 40 });
  });

  test('many addresses together are slowed, but not a client that was right before', async () => {
    expect((await tryPassword('the right one', '198.51.100.4', 'the browser of the admin')).status).toBe(200);
    looked = 0;
    const tries = Array.from({ length: 300 }, (_, index) =>
      tryPassword('a guess', `203.0.113.${index % 150}`, 'guesser', `name ${index}`),
    );
    const counted = await statuses(tries);
    expect([counted, looked]).toEqual([{ 401: 100, 429: 200 }, 100]);
    expect((await tryPassword('the right one', '198.51.100.4', 'the browser of the admin')).status).toBe(200);
    expect((await tryPassword('the right one', '198.51.100.99')).status).toBe(429);
  });

  test('a stranger behind the same address does not lock out a client that was right before', async () => {
    expect((await tryPassword('the right one', '198.51.100.5', 'the browser of the admin')).status).toBe(200);
    await Promise.all(guesses(50, () => '198.51.100.5'));
    expect((await tryPassword('the right one', '198.51.100.5')).status).toBe(429);
    expect((await tryPassword('the right one', '198.51.100.5', 'the browser of the admin')).status).toBe(200);
  });

  test('right passwords are never counted', async () => {
    const right = Array.from({ length: 300 }, () => tryPassword('the right one', '198.51.100.6', 'a script'));
    expect(await statuses(right)).toEqual({ 200: 300 });
  });

  test('one IPv6 network is one address', async () => {
    expect(await statuses(guesses(60, (index) => `2001:db8:1:2::${index + 1}`))).toEqual({
      401: 10,
      429: 50,
    });
  });
});

test('wrong registration tokens are slowed too', async () => {
  const tryToken = (): Promise<Response> =>
    t.http.post('/api/v1/vms', { hostname: 'new' }, { authorization: 'Bearer guess' });
  const counted: Record<string, number> = {};
  for (let tries = 0; tries < 100; tries++) {
    const { status } = await tryToken();
    counted[status] = (counted[status] ?? 0) + 1;
  }
  expect([counted, looked]).toEqual([{ 401: 60, 429: 40 }, 60]);
});

test('a failed login stands in the audit with the address of the client', async () => {
  await using database = await createTestDatabase();
  const warned: unknown[] = [];
  const log = { warn: (fields: unknown, text: string) => void warned.push([fields, text]) };
  const audit = auditFailedLogins(database.db, log);
  audit({ address: '192.0.2.9', scheme: 'password', failures: 10, isBlocked: true });
  await expect
    .poll(() => database.db.selectFrom('audit_events').select(['who', 'what', 'detail', 'address']).execute())
    .toEqual([
      {
        who: 'unknown',
        what: 'refuse-login',
        detail: '10 times a wrong password; further attempts of this address are refused for a minute',
        address: '192.0.2.9',
      },
    ]);
  expect(warned).toEqual([
    [{ address: '192.0.2.9', scheme: 'password', failures: 10 }, 'Logins are refused for a minute.'],
  ]);
});
