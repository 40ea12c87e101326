// Runs in an allocator's process before the allocator (NODE_OPTIONS=--import): sets its clock wrong, and tells what it holds.
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What the harness sends. */
export type ToAllocator = { readonly skewMs: number } | { readonly measure: number };

/** What the process holds after a collection. */
export type Held = {
  /** The number of the question. */
  readonly measure: number;
  readonly heapBytes: number;
  readonly files: number;
  /** Of each kind of resource that keeps a process alive. */
  readonly resources: Readonly<Record<string, number>>;
};

let skewMs = 0;
const RealDate = Date;

class SkewedDate extends RealDate {
  constructor(...given: unknown[]) {
    if (given.length === 0) super(RealDate.now() + skewMs);
    else super(...(given as [number]));
  }
  static override now(): number {
    return RealDate.now() + skewMs;
  }
}

function measure(number: number): Held {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  collect();
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  return {
    measure: number,
    heapBytes: process.memoryUsage().heapUsed,
    files: readdirSync('/proc/self/fd').length,
    resources,
  };
}

// The programs that the allocator starts have no channel.
if (process.send) {
  globalThis.Date = SkewedDate as unknown as DateConstructor;
  process.on('message', (message: ToAllocator) => {
    if ('skewMs' in message) skewMs = message.skewMs;
    else process.send?.(measure(message.measure));
  });
  process.channel?.unref();
}
