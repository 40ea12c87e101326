// How the cloud double is told to misbehave: a file that tests write and every plugin process reads before each call, and
// a diary of what was asked of it. Shared with test/support/cloud.ts.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of the control files. */
export const CONTROL_VARIABLE = 'LABLINK_CLOUD_DOUBLE';

export type Refusal = {
  readonly id: number;
  readonly when: 'create' | 'delete' | 'read';
  /** All that are given must fit. `nth` counts the machines asked for since the last reset, from 1. */
  readonly match: {
    readonly name?: string;
    readonly nth?: number;
    readonly instanceType?: string;
    readonly subnetId?: string;
  };
  /** What the provider says. */
  readonly text: string;
  /** How often; null = always. */
  readonly times: number | null;
};

export type Faults = {
  readonly refusals: readonly Refusal[];
  /** Milliseconds that EC2 takes until a machine that exists is answered for; by name, `*` for the others. */
  readonly slow: Readonly<Record<string, number>>;
  /** What is made, or ended, and not answered for while it (a hostname, `type::name`, or `*` for all machines) stands here. */
  readonly hold: readonly string[];
  /** The plugin ends when all of these (hostnames, `type::name`) have been made: they exist, nobody hears of them. */
  readonly dieCreating: readonly string[];
};

export const NO_FAULTS: Faults = { refusals: [], slow: {}, hold: [], dieCreating: [] };

export type DiaryEntry = {
  readonly what: 'create' | 'created' | 'delete' | 'read' | 'update' | 'refused';
  readonly type: string;
  readonly name: string;
  readonly pid: number;
  /** Of a refusal. */
  readonly refusal?: number;
};

export const faultsFile = (folder: string) => join(folder, 'faults.json');
export const diaryFile = (folder: string) => join(folder, 'diary.jsonl');

export function readFaults(folder: string): Faults {
  const file = faultsFile(folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Faults) : NO_FAULTS;
}

export function readDiary(folder: string): DiaryEntry[] {
  const file = diaryFile(folder);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as DiaryEntry);
}

export function note(folder: string, entry: Omit<DiaryEntry, 'pid'>): void {
  appendFileSync(diaryFile(folder), `${JSON.stringify({ ...entry, pid: process.pid })}\n`);
}

/** The text with which a call is refused, or null. */
export function refusalOf(
  folder: string,
  when: Refusal['when'],
  asked: {
    readonly type: string;
    readonly name: string;
    readonly instanceType?: unknown;
    readonly subnetId?: unknown;
  },
): string | null {
  const { refusals } = readFaults(folder);
  if (refusals.length === 0) return null;
  const diary = readDiary(folder);
  const machines = diary.filter(
    ({ what, type }) => what === 'create' && type === 'aws:ec2/instance:Instance',
  );
  const refusal = refusals.find(
    ({ id, match, times, when: moment }) =>
      moment === when &&
      (match.name === undefined || match.name === asked.name) &&
      (match.nth === undefined ||
        (asked.type === 'aws:ec2/instance:Instance' && match.nth === machines.length)) &&
      (match.instanceType === undefined || match.instanceType === asked.instanceType) &&
      (match.subnetId === undefined || match.subnetId === asked.subnetId) &&
      (times === null || diary.filter((entry) => entry.refusal === id).length < times),
  );
  if (!refusal) return null;
  note(folder, { what: 'refused', type: asked.type, name: asked.name, refusal: refusal.id });
  return refusal.text;
}
