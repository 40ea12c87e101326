// Every byte arrives, and only bytes that are data cost time: early exit codes, clients that pause, files with holes.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, open, realpath, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import ssh2, { type ServerChannel } from 'ssh2';
import { describe, expect, test, vi } from 'vitest';
import { makeSshKeyPair } from '../../src/ssh/key-pair.ts';
import { writeFiles } from '../support/sshd.ts';
import { firstPiece, hasSshd, openArchive, startLab } from './lab.ts';

const LONG_TEST_MS = 60_000;
const MEGABYTE = 1_000_000;
const sha256 = (content: Buffer | string): string => createHash('sha256').update(content).digest('hex');

/** An SSH server that runs commands, and sends the exit code before the last `heldBack` bytes of their output. */
async function startHastyMachine(heldBack: number) {
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'lablink-hasty-'));
  const host = makeSshKeyPair();
  const run = (command: string, channel: ServerChannel): void => {
    const child = spawn('/bin/sh', ['-c', command], { stdio: ['pipe', 'pipe', 'pipe'] });
    let held = Buffer.alloc(0);
    channel.pipe(child.stdin);
    child.stderr.pipe(channel.stderr, { end: false });
    child.stdout.on('data', (piece: Buffer) => {
      held = Buffer.concat([held, piece]);
      channel.write(held.subarray(0, Math.max(held.length - heldBack, 0)));
      held = held.subarray(Math.max(held.length - heldBack, 0));
    });
    child.once('close', (code) => {
      channel.exit(code ?? 1);
      channel.end(held);
    });
  };
  const server = new ssh2.Server({ hostKeys: [host.privateKey] }, (client) => {
    client.on('error', () => undefined);
    client.on('authentication', (context) => context.accept());
    client.on('session', (accept) => accept().on('exec', (take, _, { command }) => run(command, take())));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address: unknown = server.address();
  const port =
    typeof address === 'object' && address !== null && 'port' in address ? Number(address.port) : 0;
  return {
    folder,
    target: {
      hostname: 'hasty',
      address: '127.0.0.1',
      port,
      user: 'ada',
      hostKey: host.publicKey,
      place: { kind: 'folder', folder },
      participant: null,
    } as const,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await rm(folder, { recursive: true });
    },
  };
}

test(
  'a machine that sends the exit code before the last five megabytes is read to the end',
  async () => {
    await using lab = startLab();
    await using machine = await startHastyMachine(5 * MEGABYTE);
    const content = randomBytes(12 * MEGABYTE);
    await writeFiles(machine.folder, { 'big.slp': content, 'small.slp': 'small' });
    const { files, missing } = await lab.archive([machine.target]);
    expect(files).toEqual({ 'hasty/big.slp': sha256(content), 'hasty/small.slp': sha256('small') });
    expect(missing).toBeNull();
  },
  LONG_TEST_MS,
);

describe.skipIf(!hasSshd)('a download', () => {
  test(
    'a client that reads nothing for four stall time-outs gets every byte afterwards',
    async () => {
      const stallMs = 1_500;
      await using lab = startLab({ limits: { stallMs } });
      const { sshd, target } = await lab.machine('vm-1');
      const content = randomBytes(20 * MEGABYTE);
      await writeFiles(sshd.folder, { 'big.slp': content, 'z.slp': 'last' });
      const stream = await lab.stream([target]);
      const first = await firstPiece(stream);
      const pausedAtMs = performance.now();
      await vi.waitFor(() => expect(performance.now() - pausedAtMs).toBeGreaterThan(4 * stallMs), {
        timeout: 10_000,
      });
      const { files, missing } = await openArchive(Buffer.concat([first, await buffer(stream)]));
      expect(missing).toBeNull();
      expect(files).toEqual({ 'vm-1/big.slp': sha256(content), 'vm-1/z.slp': sha256('last') });
    },
    LONG_TEST_MS,
  );

  test(
    'the holes of a file cost nothing: two hundred megabytes of them are not sent by the machine, and not stored in the zip',
    async () => {
      await using lab = startLab();
      const { sshd, target } = await lab.machine('vm-1');
      const path = join(sshd.folder, 'sparse.slp');
      const size = 200 * MEGABYTE;
      const [head, tail] = [randomBytes(50_000), randomBytes(50_000)];
      await writeFile(path, head);
      await truncate(path, size);
      await using file = await open(path, 'r+');
      await file.write(tail, 0, tail.length, size - tail.length);
      await writeFiles(sshd.folder, { 'dense.slp': randomBytes(MEGABYTE) });

      const { files, bytes, missing } = await lab.archive([target]);
      const whole = createHash('sha256').update(head);
      const zeros = Buffer.alloc(MEGABYTE);
      const between = size - head.length - tail.length;
      for (let at = 0; at < between; at += MEGABYTE)
        whole.update(zeros.subarray(0, Math.min(MEGABYTE, between - at)));
      expect(files['vm-1/sparse.slp']).toBe(whole.update(tail).digest('hex'));
      expect(missing).toBeNull();
      expect(bytes).toBeLessThan(10 * MEGABYTE);
    },
    2 * LONG_TEST_MS,
  );
});
