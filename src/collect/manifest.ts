// The metadata files of an archive: manifest.json, manifest.csv, and MISSING.txt if something is missing. Generated piece by
// piece, because there may be a million files.
import { decodeName } from './names.ts';
import type { Choice } from './target.ts';
import type { VmReport } from './report.ts';
import { bytesOf } from './report.ts';
import { describeFailure } from '../result.ts';

export type About = {
  readonly startedAt: Date;
  readonly endedAt: Date;
  readonly choice: Choice;
  readonly reports: readonly VmReport[];
};

type MetadataFile = { readonly name: string; readonly content: Iterable<Buffer> };

/** In the order of the archive: what is missing comes last, where people see it. */
export function metadataFiles(about: About): readonly MetadataFile[] {
  const incomplete = about.reports.filter(({ failure, missing }) => failure !== null || missing.length > 0);
  return [
    { name: 'manifest.json', content: inPieces(manifestJson(about)) },
    { name: 'manifest.csv', content: inPieces(manifestCsv(about)) },
    ...(incomplete.length > 0 ? [{ name: 'MISSING.txt', content: inPieces(missingText(incomplete)) }] : []),
  ];
}

const PIECE_CHARACTERS = 65_536;

/** Joins short texts, so that each piece is worth its way through the archive. */
function* inPieces(texts: Iterable<string>): Generator<Buffer, void> {
  let joined = '';
  for (const text of texts) {
    joined += text;
    if (joined.length < PIECE_CHARACTERS) continue;
    yield Buffer.from(joined);
    joined = '';
  }
  if (joined !== '') yield Buffer.from(joined);
}

function* manifestJson({ startedAt, endedAt, choice, reports }: About): Generator<string> {
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
      const { name, path, bytes, sha256, modified, cut, changed } = file;
      const entry = {
        name,
        ...(path !== null && { original_name: decodeName(path), path_base64: path.toString('base64') }),
        bytes,
        sha256,
        modified: modified.toISOString(),
        cut,
        ...(changed && { changed }),
      };
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
    failure: failure && { kind: failure.code, reason: describeFailure(failure) },
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

/** One row for each machine, each file and each missing file. */
function* manifestCsv({ reports }: About): Generator<string> {
  yield `${COLUMNS}\r\n`;
  for (const report of reports) {
    const { hostname, participant, leftBehind, failure } = report;
    const owner = [hostname, participant ?? ''];
    const left = [leftBehind?.files ?? '', leftBehind?.bytes ?? ''];
    const sums = [report.files.length, bytesOf(report), '', '', report.seconds.toFixed(3)];
    yield row(['vm', ...owner, '', ...sums, ...left, failure === null ? '' : describeFailure(failure)]);
    for (const { name, bytes, sha256, modified, cut, changed } of report.files)
      yield row([
        'file',
        ...owner,
        name,
        '',
        bytes,
        sha256,
        modified.toISOString(),
        '',
        '',
        '',
        [...(cut ? ['Cut short.'] : []), ...(changed ? ['Changed while it was read.'] : [])].join(' '),
      ]);
    for (const { name, reason } of report.missing)
      yield row(['missing', ...owner, name, '', '', '', '', '', '', '', reason]);
  }
}

function row(cells: readonly (string | number)[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

/** Quoted, with an apostrophe before what a spreadsheet would take for a formula. */
export function csvCell(value: string | number): string {
  if (typeof value === 'number') return String(value);
  if (value === '') return '';
  const harmless = /^[\s\p{Cc}]*[=+\-@＝＋－＠]/u.test(value) || /^[\t\r]/.test(value) ? `'${value}` : value;
  return `"${harmless.replaceAll('"', '""')}"`;
}

function* missingText(incomplete: readonly VmReport[]): Generator<string> {
  yield 'This archive is not complete. What is missing, and why:\n';
  for (const { hostname, participant, failure, missing, files } of incomplete) {
    yield `\n${hostname}${participant === null ? '' : ` (${participant})`}\n`;
    if (failure !== null) yield `  ${describeFailure(failure)}\n`;
    if (failure !== null && files.length === 0 && missing.length === 0)
      yield '  The archive has no files of this machine.\n';
    // As JSON text: a name may hold a line break.
    for (const { name, reason } of missing) yield `  ${JSON.stringify(name)}: ${reason}\n`;
  }
}
