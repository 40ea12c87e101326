// The faults and the recorded calls of the AWS plugin double, both in files. Tests write the faults, and every plugin process
// reads them before each call. Shared with test/support/cloud.ts.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The environment variable with the folder of these files. */
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
  /** How many calls it rejects. Null: all of them. */
  readonly times: number | null;
};

export type Faults = {
  readonly rejections: readonly Rejection[];
  /** How long EC2 takes to confirm a created machine, in milliseconds, by hostname. `*` stands for all others. */
  readonly slow: Readonly<Record<string, number>>;
  /** AWS creates or deletes these resources (hostname, `type::name`, `*` for all machines), but does not confirm it. */
  readonly hold: readonly string[];
  /** The plugin dies when all of these (hostname, `type::name`) exist, before it confirms any of them. */
  readonly dieCreating: readonly string[];
};

export const NO_FAULTS: Faults = { rejections: [], slow: {}, hold: [], dieCreating: [] };

export type RecordedCall = {
  readonly what: 'create' | 'created' | 'delete' | 'read' | 'update' | 'rejected';
  readonly type: string;
  readonly name: string;
  readonly pid: number;
  /** For `rejected`: the id of the rejection that applied. */
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

export function recordCall(folder: string, entry: Omit<RecordedCall, 'pid'>): void {
  appendFileSync(callsFile(folder), `${JSON.stringify({ ...entry, pid: process.pid })}\n`);
}

/** The error message if a rejection applies to this call, or null. */
export function rejectionOf(
  folder: string,
  when: Rejection['when'],
  call: {
    readonly type: string;
    readonly name: string;
    readonly instanceType?: unknown;
    readonly subnetId?: unknown;
  },
): string | null {
  const { rejections } = readFaults(folder);
  if (rejections.length === 0) return null;
  const calls = readCalls(folder);
  const requestedMachines = calls.filter(
    ({ what, type }) => what === 'create' && type === 'aws:ec2/instance:Instance',
  );
  const rejection = rejections.find(
    ({ id, match, times, when: operation }) =>
      operation === when &&
      (match.name === undefined || match.name === call.name) &&
      (match.nth === undefined ||
        (call.type === 'aws:ec2/instance:Instance' && match.nth === requestedMachines.length)) &&
      (match.instanceType === undefined || match.instanceType === call.instanceType) &&
      (match.subnetId === undefined || match.subnetId === call.subnetId) &&
      (times === null || calls.filter((entry) => entry.rejection === id).length < times),
  );
  if (!rejection) return null;
  recordCall(folder, { what: 'rejected', type: call.type, name: call.name, rejection: rejection.id });
  return rejection.text;
}
