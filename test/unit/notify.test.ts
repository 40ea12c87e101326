// Notifications without a database: which addresses webhooks reach, what messages say, when tries and warnings are due.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { LookupAddress } from 'node:dns';
import { describe, expect, onTestFinished, test } from 'vitest';
import { composeMessage } from '../../src/notify/message.ts';
import { isPublicAddress, type Resolve } from '../../src/notify/public-address.ts';
import type { OutgoingMessage } from '../../src/notify/transport.ts';
import { createMailSender } from '../../src/notify/email.ts';
import { createWebhookSender } from '../../src/notify/webhook.ts';
import { dueWarning, pauseAfter } from '../../src/vms/notifications.ts';
import { failedKeys, good } from '../support/load-config.ts';
import { startMailServer } from '../support/mail-server.ts';

const message: OutgoingMessage = {
  id: 'one',
  address: 'https://hooks.example.org/',
  secret: `whsec_${Buffer.alloc(32).toString('base64')}`,
  event: 'people_waiting',
  at: new Date(),
  subject: 'People are waiting',
  text: 'Text',
  link: 'https://lab.example.org/',
  facts: {},
};

describe('the settings of the mail server', () => {
  const server = { SMTP_HOST: 'smtp.example.org', SMTP_FROM: 'lablink@example.org' };
  const login = { SMTP_USER: 'lablink', SMTP_PASSWORD: 'a password' };

  test('without SMTP_HOST no e-mail is sent; the port follows from the encryption', () => {
    expect(good({}).config.notify.smtp).toBeUndefined();
    expect(good({ ...server, ...login }).config.notify.smtp).toEqual({
      ...{ host: 'smtp.example.org', port: 587, tls: 'starttls' },
      ...{ from: 'lablink@example.org', user: 'lablink', password: 'a password' },
    });
    expect(good({ ...server, SMTP_TLS: 'tls' }).config.notify.smtp?.port).toBe(465);
  });

  test.each([
    ['SMTP_FROM', { SMTP_HOST: 'smtp.example.org' }],
    ['SMTP_FROM', { ...server, SMTP_FROM: 'a@example.org\nBcc: b@example.org' }],
    ['SMTP_PASSWORD', { ...server, SMTP_USER: 'lablink' }],
    ['SMTP_USER', { ...server, SMTP_PASSWORD: 'a password' }],
    ['SMTP_TLS', { ...server, ...login, SMTP_TLS: 'none' }],
  ])('%s is named where the settings of the mail server do not fit', (key, given) => {
    expect(failedKeys(given)).toEqual([key]);
  });

  test('a password is sent without encryption to this computer only', () => {
    const { smtp } = good({ ...server, ...login, SMTP_HOST: '127.0.0.1', SMTP_TLS: 'none' }).config.notify;
    expect(smtp?.tls).toBe('none');
  });
});

describe('the address of a webhook', () => {
  test.each([
    '127.0.0.1',
    '10.0.0.7',
    '172.16.3.4',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '::1',
    '::',
    'fe80::1',
    'fd00::1',
    '::ffff:127.0.0.1',
    '64:ff9b::a00:1',
    'no address',
  ])('%s is not public', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  test.each(['8.8.8.8', '2606:4700::1111', '::ffff:8.8.8.8'])('%s is public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  const sendTo = (address: string, resolve?: Resolve) =>
    createWebhookSender({
      allowPrivate: false,
      userAgent: 'test',
      now: () => new Date(),
      ...(resolve && { resolve }),
    })({ ...message, address }, AbortSignal.timeout(5_000));

  test.each([
    'https://127.0.0.1/',
    'https://[::1]/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://[::ffff:10.0.0.1]/',
    'https://localhost/',
    'https://hook.localhost./',
    'http://hooks.example.org/',
    'https://user:password@hooks.example.org/',
    'ftp://hooks.example.org/',
    'nonsense',
  ])('a webhook at %s is refused for good, before anything is asked', async (address) => {
    const noDns: Resolve = () => {
      throw new Error('DNS was asked');
    };
    expect(await sendTo(address, noDns)).toMatchObject({ isFinal: true });
  });

  test('a name is refused if one of its addresses is not public, also when it had public ones before', async () => {
    let requests = 0;
    const server = createServer((_request, response) => {
      requests += 1;
      response.end();
    });
    server.on('connection', () => (requests += 1));
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const answers: LookupAddress[][] = [
      [{ address: '127.0.0.1', family: 4 }],
      [
        { address: '8.8.8.8', family: 4 },
        { address: '::1', family: 6 },
      ],
      [],
    ];
    const asked: string[] = [];
    const resolve: Resolve = (hostname, answer) => {
      asked.push(hostname);
      answer(null, answers[asked.length - 1] ?? []);
    };
    const address = `https://rebinding.example.org:${port}/`;
    const refusal = { problem: expect.stringContaining('WEBHOOK_ALLOW_PRIVATE') as unknown, isFinal: true };
    expect(await sendTo(address, resolve)).toMatchObject(refusal);
    expect(await sendTo(address, resolve)).toMatchObject(refusal);
    // Each connection asks anew, and is checked anew.
    expect(asked).toHaveLength(2);
    expect(requests).toBe(0);
  });

  test('a name that DNS does not know is a failure to try again, not the end of the server', async () => {
    // The system's DNS itself: it answers an error without addresses.
    expect(await sendTo('https://lablink.invalid/')).toMatchObject({
      problem: expect.stringMatching(
        /^The webhook could not be reached \((ENOTFOUND|EAI_AGAIN)\)\.$/u,
      ) as unknown,
      isFinal: false,
    });
  });
});

describe('a message', () => {
  const context = { title: null, site: 'lablink · prod', publicAddress: 'https://lab.example.org' };

  test('what others have written adds no line to the subject and no recipient', async () => {
    const composed = composeMessage(
      'machine_failed',
      { hostname: 'vm-1\r\nBcc: eve@example.org', status: 'error', email: 'ada@example.org\u2028x' },
      { ...context, title: 'A\r\nBcc: eve@example.org\r\n\r\nhello' },
    );
    expect(composed?.subject).toBe(
      'A Bcc: eve@example.org hello: vm-1 Bcc: eve@example.org has failed while a participant uses it',
    );
    await using mail = await startMailServer();
    const send = createMailSender({
      ...{ host: '127.0.0.1', port: mail.port, tls: 'none', from: 'lablink@example.org' },
      ...{ user: undefined, password: undefined },
    });
    const subject = 'People\r\nBcc: eve@example.org\r\n\r\nare waiting';
    const sent = { ...message, address: 'ada@example.org', subject };
    expect(await send(sent, AbortSignal.timeout(5_000))).toBeNull();
    await send({ ...sent, address: 'ada@example.org, eve@example.org' }, AbortSignal.timeout(5_000));
    await send(
      { ...sent, address: 'ada@example.org\r\nRCPT TO:<eve@example.org>' },
      AbortSignal.timeout(5_000),
    );
    expect(mail.received.flatMap(({ to }) => to)).not.toContain('eve@example.org');
    expect(mail.received[0]?.headers).not.toMatch(/^Bcc:/im);
  });

  test('programs get no name of a participant', () => {
    const stored = { hostname: 'vm-1', status: 'unreachable', email: 'ada@example.org' };
    const composed = composeMessage('machine_failed', stored, context);
    expect(composed?.text).toContain('ada@example.org');
    expect(composed?.facts).toEqual({ hostname: 'vm-1', status: 'unreachable' });
  });

  test('an event, or facts, that this version does not know are no message', () => {
    expect(composeMessage('of_a_newer_version', {}, context)).toBeNull();
    expect(composeMessage('constructor', {}, context)).toBeNull();
    expect(composeMessage('machine_failed', { hostname: 7 }, context)).toBeNull();
  });
});

test('a mail server that offers no encryption is refused, and so is one that nobody vouches for', async () => {
  await using plain = await startMailServer();
  await using unknown = await startMailServer({ disabledCommands: [] });
  for (const { port } of [plain, unknown]) {
    const send = createMailSender({
      ...{ host: '127.0.0.1', port, tls: 'starttls', from: 'lablink@example.org' },
      ...{ user: 'lablink', password: 'a password' },
    });
    const failure = await send({ ...message, address: 'ada@example.org' }, AbortSignal.timeout(5_000));
    expect(failure?.problem).toMatch(/encrypted|certificate/);
  }
  expect([...plain.received, ...unknown.received]).toEqual([]);
});

test('there are four pauses between five tries, and a longer one that is asked for lasts an hour at most', () => {
  expect([1, 2, 3, 4, 5].map((tries) => pauseAfter(tries, null))).toEqual([30, 120, 600, 1_800, null]);
  expect(pauseAfter(1, 90)).toBe(90);
  expect(pauseAfter(2, 5)).toBe(120);
  expect(pauseAfter(1, 1e9)).toBe(3_600);
  expect(pauseAfter(5, 90)).toBeNull();
});

test.each([
  [30.01, null],
  [30, 30],
  [10.01, 30],
  [10, 10],
  [0.01, 10],
  [0, null],
  [-5, null],
])('%d minutes before the end, the warning of %s minutes is due', (minutes, warning) => {
  const now = new Date('2026-11-30T12:00:00Z');
  expect(dueWarning(new Date(now.getTime() + minutes * 60_000), now)).toBe(warning);
});
