// `make soak`: two hours of a workshop's traffic in ten minutes, without faults: what an allocator holds at the end, divided by
// what it held after the first minute. SECONDS: how long.
import { setTimeout as delay } from 'node:timers/promises';
import { isAborted, sleep } from '../../src/async/abort.ts';
import { createDraw } from '../support/draw.ts';
import type { ChaosAllocator } from './allocators.ts';
import { readHeld } from './evidence.ts';
import type { Participant } from './participants.ts';
import { booted, openCast, type Cast } from './run.ts';
import { openSession, readHolding, type Session } from './session.ts';

const FIRST_MS = 60_000;
const MAX_RATIO = 1.05;
/** Requests come and go between two looks: the least of the memory and the most of the connections count. */
const LOOKS = 10;
const LOOK_EVERY_MS = 1_000;
const SEED = 1;
/** Agents report 12 times as often as in a workshop, or more; somebody ends a session this often. */
const RELEASE_EVERY_MS = 400;
const COME_BACK_MS = 1_000;
const LOG_EVERY_MS = 100;

/** MiB of the heap; connections to the database. */
type Held = { readonly memory: number; readonly connections: number };

async function look({ postgres }: Session, allocator: ChaosAllocator): Promise<Held> {
  const looks: Held[] = [];
  for (let index = 0; index < LOOKS; index++) {
    const { heapBytes } = await readHolding(allocator);
    const { connections } = await readHeld(postgres.db);
    looks.push({ memory: heapBytes / 1024 / 1024, connections });
    await delay(LOOK_EVERY_MS);
  }
  return {
    memory: Math.min(...looks.map(({ memory }) => memory)),
    connections: Math.max(...looks.map(({ connections }) => connections)),
  };
}

async function comeAndGo(participant: Participant, signal: AbortSignal): Promise<void> {
  while (!isAborted(signal)) {
    await participant.comeBack(signal);
    await sleep(COME_BACK_MS, signal);
  }
}

async function release({ targets: { admin } }: Cast, signal: AbortSignal): Promise<void> {
  const draw = createDraw(SEED);
  while (!isAborted(signal)) {
    await admin.act(draw.chance(0.9) ? 'release' : 'reassign', draw);
    await sleep(RELEASE_EVERY_MS, signal);
  }
}

async function writeLogs({ machines }: Cast, signal: AbortSignal): Promise<void> {
  for (let turn = 0; !isAborted(signal); turn++) {
    const machine = machines[turn % machines.length];
    if (machine?.kind === 'agent') await machine.writeLog(1 + (turn % 7));
    await sleep(LOG_EVERY_MS, signal);
  }
}

async function main(): Promise<number> {
  const seconds = Number(process.env['SECONDS'] ?? 600);
  await using session = await openSession(1);
  const [allocator] = session.allocators;
  if (!allocator) throw new Error('There is no allocator.');
  await using cast = await openCast(session, SEED);
  await booted(session, cast);
  const isOver = new AbortController();
  const traffic = Promise.all([
    ...cast.participants.map((participant) => comeAndGo(participant, isOver.signal)),
    release(cast, isOver.signal),
    writeLogs(cast, isOver.signal),
  ]);
  await delay(FIRST_MS);
  const first = await look(session, allocator);
  await delay(Math.max(0, seconds * 1_000 - FIRST_MS - 2 * LOOKS * LOOK_EVERY_MS));
  const last = await look(session, allocator);
  isOver.abort();
  await traffic;
  const answers = cast.participants.reduce((sum, participant) => sum + participant.answers.length, 0);
  const lines = cast.machines.reduce((sum, { linesWritten }) => sum + linesWritten, 0);
  console.log(`soak: ${seconds} s, ${answers} answers to forms, ${lines} log lines`);
  const kinds = ['memory', 'connections'] as const;
  for (const kind of kinds) {
    const ratio = last[kind] / first[kind];
    console.log(
      `${kind}: ${first[kind].toFixed(1)} after the first minute, ${last[kind].toFixed(1)} at the end: ${ratio.toFixed(3)}`,
    );
  }
  return kinds.some((kind) => last[kind] / first[kind] > MAX_RATIO) ? 1 : 0;
}

process.exitCode = await main();
// Connections that the SDK keeps open would hold the process for a minute.
await delay(0);
process.exit();
