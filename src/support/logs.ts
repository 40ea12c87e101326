// Logs of the last day, as far as they are kept on this computer: the journal of the unit, or a file.
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** The newest lines are kept. */
const LOG_BYTES = 16 * 1024 * 1024;
const LINE_CHARACTERS = 16_384;
const DAY_MS = 24 * 3_600_000;
const JOURNAL_MS = 30_000;
const TIME_OF_LINE = /"time":"(\d{4}-\d\d-\d\dT[^"]+)"/;

/** The newest lines of the last day; a line without a time counts as young as the one before it. */
async function readLastDay(input: Readable, now: Date): Promise<string> {
  const since = now.getTime() - DAY_MS;
  let isYoung = true;
  let kept: string[] = [];
  let bytes = 0;
  for await (const whole of createInterface({ input, crlfDelay: Infinity })) {
    const time = TIME_OF_LINE.exec(whole)?.[1];
    if (time !== undefined) isYoung = Date.parse(time) >= since;
    if (!isYoung) continue;
    const line = whole.slice(0, LINE_CHARACTERS);
    kept.push(line);
    bytes += line.length + 1;
    if (bytes > 2 * LOG_BYTES) [kept, bytes] = newest(kept);
  }
  return newest(kept)[0].join('\n');
}

function newest(lines: readonly string[]): [string[], number] {
  let bytes = 0;
  let from = lines.length;
  while (from > 0 && bytes < LOG_BYTES) bytes += (lines[--from]?.length ?? 0) + 1;
  return [lines.slice(from), bytes];
}

/** Throws what the file system throws. */
export function readLogFile(path: string, now: Date): Promise<string> {
  return readLastDay(createReadStream(path, { encoding: 'utf8' }), now);
}

/** What systemd has of the unit; throws where there is no journal. Empty: there is nothing that this user may read. */
export async function readJournal(unit: string, path: string | undefined, now: Date): Promise<string> {
  const args = [
    '--unit',
    unit,
    '--since',
    '-24h',
    '--output',
    'short-iso',
    '--no-hostname',
    '--no-pager',
    '--quiet',
  ];
  const child = spawn('journalctl', args, {
    env: { PATH: path ?? '/usr/bin:/bin', TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: JOURNAL_MS,
  });
  const failed = new Promise<never>((_resolve, reject) => child.once('error', reject));
  return Promise.race([readLastDay(child.stdout, now), failed]);
}
