// What the archive says about itself: manifest.json, manifest.csv, and MISSING.txt where something is missing. Told
// piece by piece: there may be a million files.
import type { Choice } from './target.ts';
import type { VmReport } from './report.ts';
import { bytesOf } from './report.ts';

export type About = {
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly choice: Choice;
  readonly reports: readonly VmReport[];
};

export function* manifestJson({ startedAt, endedAt, choice, reports }: About): Generator<string> {
  const head = {
    started_at: startedAt.toISOString(),
    ended_at: endedAt.toISOString(),
    extensions: choice.extensions ?? ['*'],
    left_out_folders: choice.leftOut,
  };
  yield `${JSON.stringify(head, null, 1).slice(0, -2)},\n "vms": [`;
  for (const [at, report] of reports.entries()) {
    yield `${at === 0 ? '' : ','}\n  {${membersOf(report)},\n   "entries": [`;
    for (const [index, file] of report.files.entries()) {
      const { name, bytes, sha256, modified, cut } = file;
      const entry = { name, bytes, sha256, modified: modified.toISOString(), cut };
      yield `${index === 0 ? '' : ','}\n    ${JSON.stringify(entry)}`;
    }
    yield '\n   ],\n   "missing": [';
    for (const [index, file] of report.missing.entries())
      yield `${index === 0 ? '' : ','}\n    ${JSON.stringify(file)}`;
    yield '\n   ]}';
  }
  yield '\n ]\n}\n';
}

function membersOf(report: VmReport): string {
  const { hostname, participant, failure, seconds, leftBehind, notes } = report;
  const members = {
    hostname,
    participant,
    files: report.files.length,
    bytes: bytesOf(report),
    seconds: Number(seconds.toFixed(3)),
    failure: failure && { kind: failure.kind, reason: failure.message },
    left_behind: leftBehind && {
      files: leftBehind.files,
      bytes: leftBehind.bytes,
      by_extension: leftBehind.byExtension,
    },
    notes,
  };
  return JSON.stringify(members, null, 1).slice(1, -2).replaceAll('\n', '\n  ');
}

const COLUMNS =
  'row,hostname,participant,name,files,bytes,sha256,modified,seconds,left_behind_files,left_behind_bytes,problem';

/** One row for each machine, each file, each file that is missing. */
export function* manifestCsv({ reports }: About): Generator<string> {
  yield `${COLUMNS}\r\n`;
  for (const report of reports) {
    const { hostname, participant, leftBehind, failure } = report;
    const who = [hostname, participant ?? ''];
    const left = [leftBehind?.files ?? '', leftBehind?.bytes ?? ''];
    const sums = [report.files.length, bytesOf(report), '', '', report.seconds.toFixed(3)];
    yield row(['vm', ...who, '', ...sums, ...left, failure?.message ?? '']);
    for (const { name, bytes, sha256, modified, cut } of report.files)
      yield row([
        'file',
        ...who,
        name,
        '',
        bytes,
        sha256,
        modified.toISOString(),
        '',
        '',
        '',
        cut ? 'Cut short.' : '',
      ]);
    for (const { name, reason } of report.missing)
      yield row(['missing', ...who, name, '', '', '', '', '', '', '', reason]);
  }
}

function row(cells: readonly (string | number)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

/** Quoted; what a spreadsheet would take for a formula begins with an apostrophe. */
export function csvCell(value: string | number): string {
  if (typeof value === 'number') return String(value);
  if (value === '') return '';
  const harmless = /^[\s\p{Cc}]*[=+\-@＝＋－＠]/u.test(value) || /^[\t\r]/.test(value) ? `'${value}` : value;
  return `"${harmless.replaceAll('"', '""')}"`;
}

/** Null where nothing is missing. */
export function missingText({ reports }: About): Iterable<string> | null {
  const lacking = reports.filter(({ failure, missing }) => failure !== null || missing.length > 0);
  return lacking.length === 0 ? null : missingLines(lacking);
}

function* missingLines(reports: readonly VmReport[]): Generator<string> {
  yield 'This archive is not complete. What is missing, and why:\n';
  for (const { hostname, participant, failure, missing, files } of reports) {
    yield `\n${hostname}${participant === null ? '' : ` (${participant})`}\n`;
    if (failure !== null) yield `  ${failure.message}\n`;
    if (failure !== null && files.length === 0 && missing.length === 0) yield '  Nothing of it is here.\n';
    // As JSON text: a name may hold a line break.
    for (const { name, reason } of missing) yield `  ${JSON.stringify(name)}: ${reason}\n`;
  }
}
