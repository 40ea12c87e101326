// The recordings of the real engine, and the form in which a run of any engine is compared with them. What is normalised,
// and why, is listed here and nowhere else.
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
 * Values that no two runs share, in any text: ids of machines and providers, locks and their makers, addresses, ports,
 * paths, times, durations, the lines of a stack trace.
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
      // What a registration answers with depends on the provider, which in our tests says more than the recorded one.
      .replaceAll(/(resp: urn:\S+?Instance::[^,]+,<instance>),.*/g, '$1,<outputs>')
  );
}

/** Outputs of machines that our provider double has and the recorded one had not. */
const MORE_OUTPUTS = [
  ...['arn', 'instanceState', 'availabilityZone', 'subnetId'],
  ...['publicDns', 'privateIp', 'privateDns'],
];

/** An event without its number and time, its values normalised; `steps` and `durationSeconds` are checked by themselves. */
export function normaliseEvent({ sequence: _sequence, timestamp: _timestamp, ...event }: Event): Event {
  const text = JSON.stringify(event, (key, value: unknown) => {
    if (key === 'durationSeconds' || key === 'steps') return '<number>';
    if (key === 'outputs') return withoutMore(value);
    return typeof value === 'string' ? normaliseText(value) : value;
  });
  return JSON.parse(text) as Event;
}

function withoutMore(outputs: unknown): unknown {
  const entries = Object.entries(outputs as object).filter(([name]) => !MORE_OUTPUTS.includes(name));
  return Object.fromEntries(entries);
}

/** A CLI run, with what a terminal shows while things happen left out: from the heading on to `Diagnostics:` and the rest. */
export function normaliseCli(run: CliRun): unknown {
  const command = run.argv.slice(0, 2).join(' ');
  const stdout = command === 'stack history' ? historyOf(run.stdout) : screenOf(run.stdout);
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

/** Of the history, the machine's architecture is not compared. */
function historyOf(stdout: string): unknown {
  const entries = JSON.parse(normaliseText(stdout)) as { environment: Record<string, string> }[];
  return entries.map((entry) => ({
    ...entry,
    environment: { ...entry.environment, 'pulumi.arch': '<arch>' },
  }));
}
