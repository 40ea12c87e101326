// The faults of the AWS plugin double, in a file that tests write and every plugin process reads before each call; and a
// record of its calls. Shared with test/support/cloud.ts.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The folder of the control files. */
export const CONTROL_VARIABLE = 'LABLINK_CLOUD_DOUBLE';

export type Rejection = {
  readonly id: number;
  readonly when: 'create' | 'delete' | 'read';
  /** All given properties must match. `nth` counts the requested machines since the last reset, from 1. */
  readonly match: {
    readonly name?: string;
    readonly nth?: number;
    readonly instanceType?: string;
    readonly subnetId?: string;
  };
  /** The error message. */
  readonly text: string;
  /** Null = always. */
  readonly times: number | null;
};

export type Faults = {
  readonly rejections: readonly Rejection[];
  /** Milliseconds until EC2 confirms a created machine; by name, `*` for all others. */
  readonly slow: Readonly<Record<string, number>>;
  /** Resources (hostname, `type::name`, or `*` for all machines) that are created or deleted but not confirmed while listed here. */
  readonly hold: readonly string[];
  /** The plugin dies when all of these (hostname, `type::name`) are created, before it confirms any of them. */
  readonly dieCreating: readonly string[];
};

export const NO_FAULTS: Faults = { rejections: [], slow: {}, hold: [], dieCreating: [] };

export type RecordedCall = {
  readonly what: 'create' | 'created' | 'delete' | 'read' | 'update' | 'rejected';
  readonly type: string;
  readonly name: string;
  readonly pid: number;
  /** The id of the rejection. */
  readonly rejection?: number;
};

export const faultsFile = (folder: string) => join(folder, 'faults.json');
export const callsFile = (folder: string) => join(folder, 'calls.jsonl');

export function readFaults(folder: string): Faults {
  const file = faultsFile(folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Faults) : NO_FAULTS;
}

export function readCalls(folder: string): RecordedCall[] {
  const file = callsFile(folder);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RecordedCall);
}

export function note(folder: string, entry: Omit<RecordedCall, 'pid'>): void {
  appendFileSync(callsFile(folder), `${JSON.stringify({ ...entry, pid: process.pid })}\n`);
}

/** The error message if the call is to be rejected, else null. */
export function rejectionOf(
  folder: string,
  when: Rejection['when'],
  asked: {
    readonly type: string;
    readonly name: string;
    readonly instanceType?: unknown;
    readonly subnetId?: unknown;
  },
): string | null {
  const { rejections } = readFaults(folder);
  if (rejections.length === 0) return null;
  const calls = readCalls(folder);
  const machines = calls.filter(
    ({ what, type }) => what === 'create' && type === 'aws:ec2/instance:Instance',
  );
  const rejection = rejections.find(
    ({ id, match, times, when: moment }) =>
      moment === when &&
      (match.name === undefined || match.name === asked.name) &&
      (match.nth === undefined ||
        (asked.type === 'aws:ec2/instance:Instance' && match.nth === machines.length)) &&
      (match.instanceType === undefined || match.instanceType === asked.instanceType) &&
      (match.subnetId === undefined || match.subnetId === asked.subnetId) &&
      (times === null || calls.filter((entry) => entry.rejection === id).length < times),
  );
  if (!rejection) return null;
  note(folder, { what: 'rejected', type: asked.type, name: asked.name, rejection: rejection.id });
  return rejection.text;
}
