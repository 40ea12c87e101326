import { expect, test } from 'vitest';
import { runProgram, type ProgramSpec } from '../../src/agent/program.ts';
import { eventually } from './fixture.ts';

const never = new AbortController().signal;

const sh = (script: string, parts: Partial<ProgramSpec> = {}) =>
  runProgram({
    program: '/bin/sh',
    args: ['-c', script],
    input: '',
    environment: { PATH: process.env['PATH'] },
    timeoutMs: 10_000,
    stopSignal: never,
    forceSignal: never,
    ...parts,
  });

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a program may leave a daemon behind that holds its output open, without delaying its end', async () => {
  const end = await sh('sleep 60 & echo $!');
  expect(end).toMatchObject({ kind: 'exited', code: 0 });
  const daemon = Number(end.kind === 'exited' ? end.output : '');
  expect(isAlive(daemon)).toBe(true);
  process.kill(daemon, 'SIGKILL');
});

test('a program that takes too long and ignores SIGTERM is killed with everything that it started', async () => {
  const started: number[] = [];
  const end = await sh(`trap '' TERM; sleep 60 & echo $$ $!; while :; do sleep 0.05; done`, {
    timeoutMs: 200,
  });
  if (end.kind !== 'timed_out') throw new Error(`it ended otherwise: ${end.kind}`);
  started.push(...end.output.trim().split(' ').map(Number));
  expect(started).toHaveLength(2);
  await eventually(() => expect(started.map(isAlive)).toEqual([false, false]));
});

test('of the output of a program only the end is kept', async () => {
  const end = await sh(
    'i=0; while [ $i -lt 3000 ]; do echo "line $i of many, many lines"; i=$((i+1)); done; echo last >&2',
  );
  if (end.kind !== 'exited') throw new Error(end.kind);
  expect(end.output.length).toBeLessThanOrEqual(8_192);
  expect(end.output).toContain('line 2999');
  expect(end.output).toContain('last');
});

test('a program that does not exist differs from one that fails, and a program that does not read its input succeeds', async () => {
  expect(await sh('', { program: '/no/such/program' })).toMatchObject({ kind: 'not_started', missing: true });
  expect(await sh('', { program: '/' })).toMatchObject({ kind: 'not_started', missing: false });
  expect(await sh('exit 3', { input: 'x'.repeat(1_000_000) })).toMatchObject({ kind: 'exited', code: 3 });
  expect(await sh('kill -9 $$')).toMatchObject({ kind: 'exited', code: null });
});

test('a program that must stop is asked first, and one that is forced is killed at once', async () => {
  const stop = new AbortController();
  const asked = sh('trap "exit 0" TERM; while :; do sleep 0.02; done', { stopSignal: stop.signal });
  stop.abort();
  expect((await asked).kind).toBe('stopped');
  const force = new AbortController();
  const forced = sh(`trap '' TERM; while :; do sleep 0.02; done`, { forceSignal: force.signal });
  force.abort();
  expect((await forced).kind).toBe('stopped');
  expect(await sh('echo no', { stopSignal: stop.signal })).toEqual({ kind: 'stopped', output: '' });
});
