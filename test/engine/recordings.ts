// Reads the recordings of the real engine, and normalises runs so that they can be compared with the recordings. This file
// alone decides what is normalised.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Event } from './drive.ts';
import type { CliRun } from './record-cli.ts';

const FOLDER = join(import.meta.dirname, '..', 'golden', 'pulumi-engine');

export function recordedEvents(name: string): Event[] {
  return readLines<Event>(`${name}.events.jsonl`);
}

export function recordedCli(name: string): CliRun[] {
  return readLines<CliRun>(`${name}.cli.jsonl`);
}

function readLines<Line>(name: string): Line[] {
  const lines = readFileSync(join(FOLDER, name), 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Line);
}

/**
 * Replaces everything that differs between two runs: ids of machines and providers, locks and their owners, addresses,
 * ports, paths, times, durations, the lines of a stack trace.
 */
function normaliseText(text: string): string {
  return (
    text
      .replaceAll(/\n +at .*/g, '')
      .replaceAll(/\bi-[0-9a-f]{8,}\b/g, '<instance>')
      .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
      .replaceAll(/127\.0\.0\.1:\d+/g, '<address>')
      .replaceAll(/\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b/g, '<ip>')
      .replaceAll(/\/\S*\/pulumi-resource-aws/g, '<plugin>')
      .replaceAll(/file:\/\/\S+?\/\.pulumi\//g, 'file://<state>/.pulumi/')
      .replaceAll(/created by \S+ \(pid \d+\)/g, 'created by <somebody>')
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, '<time>')
      .replaceAll(/Duration: \d+s/g, 'Duration: <seconds>')
      // A registration is answered with the provider's outputs; our provider double returns more than the recorded one.
      .replaceAll(/(resp: urn:\S+?Instance::[^,]+,<instance>),.*/g, '$1,<outputs>')
  );
}

/** Outputs of machines that our provider double returns and the recorded provider did not. */
const EXTRA_OUTPUTS = [
  ...['arn', 'instanceState', 'availabilityZone', 'subnetId'],
  ...['publicDns', 'privateIp', 'privateDns'],
];

/** Removes an event's number and time, and normalises its values; tests check `steps` and `durationSeconds` separately. */
export function normaliseEvent({ sequence: _sequence, timestamp: _timestamp, ...event }: Event): Event {
  const text = JSON.stringify(event, (key, value: unknown) => {
    if (key === 'durationSeconds' || key === 'steps') return '<number>';
    if (key === 'outputs') return withoutExtraOutputs(value);
    return typeof value === 'string' ? normaliseText(value) : value;
  });
  return JSON.parse(text) as Event;
}

function withoutExtraOutputs(outputs: unknown): unknown {
  const entries = Object.entries(outputs as object).filter(([name]) => !EXTRA_OUTPUTS.includes(name));
  return Object.fromEntries(entries);
}

/** Normalises a CLI run. Leaves out the lines of progress: from the heading to `Diagnostics:`, `Outputs:` or `Resources:`. */
export function normaliseCli(run: CliRun): unknown {
  const command = run.argv.slice(0, 2).join(' ');
  // A released CLI prints a `v` before its version, the recorded one did not.
  const stdout =
    command === 'version'
      ? run.stdout.replace(/^v/, '')
      : command === 'stack history'
        ? historyOf(run.stdout)
        : screenOf(run.stdout);
  const env = Object.fromEntries(
    Object.entries(run.env).map(([name, value]) => [name, name === 'PULUMI_HOME' ? '<home>' : value]),
  );
  return {
    argv: run.argv.map(normaliseText),
    env,
    rc: run.rc,
    stdout,
    stderr: normaliseText(run.stderr).trimEnd(),
  };
}

function screenOf(stdout: string): unknown {
  if (!/^(Updating|Destroying|Refreshing) /.test(stdout)) return normaliseText(stdout);
  const [heading = ''] = stdout.split('\n');
  const end = /\n(Diagnostics|Outputs|Resources):\n[^]*$/.exec(stdout)?.[0] ?? '';
  const lines = normaliseText(end).split('\n');
  return { heading, end: lines.map((line) => line.trimEnd()).filter((line) => line !== '') };
}

/** The history without the processor architecture of the computer that ran the engine. */
function historyOf(stdout: string): unknown {
  const entries = JSON.parse(normaliseText(stdout)) as { environment: Record<string, string> }[];
  return entries.map((entry) => ({
    ...entry,
    environment: { ...entry.environment, 'pulumi.arch': '<arch>' },
  }));
}
