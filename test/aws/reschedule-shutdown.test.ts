// New shutdown times over SSH, against an ssh2 server in the place of a machine.
import ssh2 from 'ssh2';
import { afterEach, expect, test } from 'vitest';
import { createRescheduleShutdown } from '../../src/provision/aws/reschedule-shutdown.ts';
import type { SshAccess } from '../../src/provision/provider.ts';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';

const keys = makeSshKeyPair();
const host = makeSshKeyPair();
const servers: ssh2.Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A machine that records the commands, and answers each with this exit code and output. */
async function startMachine(code: number, says = ''): Promise<{ reach: SshAccess; commands: string[] }> {
  const commands: string[] = [];
  const server = new ssh2.Server({ hostKeys: [host.privateKey] }, (client) => {
    client.on('error', () => undefined);
    client.on('authentication', (context) => {
      if (context.method === 'publickey' && context.username === 'ubuntu') context.accept();
      else context.reject(['publickey']);
    });
    client.on('ready', () =>
      client.on('session', (accept) =>
        accept().on('exec', (take, _refuse, { command }) => {
          commands.push(command);
          const channel = take();
          channel.stderr.write(says);
          channel.exit(code);
          channel.end();
        }),
      ),
    );
  });
  servers.push(server);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address: unknown = server.address();
  const port =
    typeof address === 'object' && address !== null && 'port' in address ? Number(address.port) : 0;
  return { reach: { address: '127.0.0.1', sshPort: port, sshHostKey: host.publicKey }, commands };
}

const END = new Date('2026-11-25T18:00:00.500Z');
const learned: string[][] = [];
const reschedule = (reaches: Readonly<Record<string, SshAccess | null>>, timeoutMs = 5_000) =>
  createRescheduleShutdown({
    reachOf: (hostname) => Promise.resolve(reaches[hostname] ?? null),
    privateKey: keys.privateKey,
    defaultUser: 'ubuntu',
    onHostKey: (hostname, key) => Promise.resolve(void learned.push([hostname, key])),
    timeoutMs,
  })(Object.keys(reaches), END, new AbortController().signal);

test('each machine gets the second of its shutdown, and the command contains nothing else', async () => {
  const [one, two] = [await startMachine(0), await startMachine(0)];
  expect(await reschedule({ one: one.reach, two: two.reach })).toEqual(
    expect.arrayContaining([
      { hostname: 'one', error: null },
      { hostname: 'two', error: null },
    ]),
  );
  expect(one.commands).toEqual(['sudo -n /usr/local/sbin/lablink-end 1795629600']);
  expect(two.commands).toHaveLength(1);
});

test('a problem is reported for each machine', async () => {
  const refusing = await startMachine(3, 'no such timer\n');
  const orphan = await startMachine(0);
  const results = await reschedule({
    refusing: refusing.reach,
    orphan: { ...orphan.reach, sshHostKey: keys.publicKey },
    gone: { address: '127.0.0.1', sshPort: 1 },
    unknown: null,
  });
  const problems = Object.fromEntries(results.map(({ hostname, error }) => [hostname, error]));
  expect(problems['refusing']).toBe('The machine rejected the new shutdown time (exit 3): no such timer.');
  expect(problems['orphan']).toContain('host key is not the known one');
  expect(orphan.commands).toEqual([]);
  expect(problems['gone']).toContain('cannot be reached over SSH');
  expect(problems['unknown']).toBe('Its address is not known yet.');
});

test('an unknown host key is accepted and reported', async () => {
  const machine = await startMachine(0);
  const { sshHostKey: key, ...reach } = machine.reach;
  expect(await reschedule({ new: reach })).toEqual([{ hostname: 'new', error: null }]);
  expect(learned).toContainEqual(['new', key]);
});
