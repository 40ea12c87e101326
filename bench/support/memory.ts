// Reads the memory of another process, and waits until it no longer changes.
import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const SAMPLE_MS = 1_000;
/** Memory has settled when it changes by less than this share in so many samples. */
const REST_SHARE = 0.01;
const REST_SAMPLES = 5;

/** Resident memory in KiB. */
export async function residentKib(pid: number): Promise<number> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'rss=', '-p', String(pid)]);
  return Number(stdout);
}

/** Resident memory in KiB once it has settled, or after `limitMs`. */
export async function settledKib(pid: number, limitMs: number): Promise<number> {
  const samples: number[] = [];
  for (let passedMs = 0; passedMs < limitMs; passedMs += SAMPLE_MS) {
    samples.push(await residentKib(pid));
    const latest = samples.slice(-REST_SAMPLES);
    const hasSettled = Math.max(...latest) - Math.min(...latest) <= Math.max(...latest) * REST_SHARE;
    if (latest.length === REST_SAMPLES && hasSettled) break;
    await delay(SAMPLE_MS);
  }
  return samples.at(-1)!;
}
