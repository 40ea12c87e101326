// Logs of VMs: as a page, as JSON, as a file and as a stream.
import type { HandlersOf, Input, Reply, ServerSentEvent } from '../contract/handlers.ts';
import type { components } from '../contract/openapi.gen.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import { viewerOf } from '../contract/role.ts';
import type { Db } from '../db/connect.ts';
import { readLogs, readLogTail, type NumberedLine, type StoredLogs } from '../db/logs.ts';
import { findStatus } from '../db/vms.ts';
import { LOG_LIMITS, tailLogs, type LogTailItem } from '../delivery/log-tail.ts';
import { renderInstanceLogs } from '../pages/instance-logs.ts';
import { looksLikeError } from '../vms/log-errors.ts';
import { json, page } from './replies.ts';

/** The page shows the newest lines, up to these limits; the stream continues from there. */
const TAIL_LINES = 500;
const TAIL_CHARACTERS = 60_000;
const LOG_READ_MS = 250;

type LogDependencies = { readonly db: Db; readonly site?: string };

export function createLogHandlers({ db, site }: LogDependencies): HandlersOf<'logs'> {
  return {
    instanceLogsPage: async ({ path: { hostname }, caller }) => {
      const status = await findStatus(db, hostname);
      if (status === null) throw new ProblemError('vm_not_found');
      const maxLength = LOG_LIMITS.lineLength;
      const tail = await readLogTail(db, hostname, { limit: TAIL_LINES, maxLength });
      const lines = newestWithin(tail.lines);
      const older = tail.older + tail.lines.length - lines.length;
      const body = renderInstanceLogs({
        site,
        viewer: viewerOf(caller),
        hostname,
        status,
        lines: lines.map(({ line }) => ({ text: shown(line), isError: looksLikeError(line) })),
        older,
        linesCut: tail.linesCut,
        after: lines.at(-1)?.id ?? 0,
      });
      return page(body);
    },
    getVmLogs: async ({ path: { hostname } }) => {
      const status = await findStatus(db, hostname);
      if (status === null) return problem('vm_not_found');
      const stored = await readLogs(db, hostname);
      if (stored.lines.length === 0 && stored.linesCut === 0 && status === 'initializing')
        return problem('logs_not_yet');
      const body = {
        hostname,
        logs: logText(stored),
        lines: stored.lines.length,
        lines_cut: stored.linesCut,
      };
      return json(body);
    },
    downloadVmLogs: async ({ path: { hostname } }) => {
      if ((await findStatus(db, hostname)) === null) return problem('vm_not_found');
      const text = logText(await readLogs(db, hostname));
      const headers = { 'Content-Disposition': `attachment; filename="${hostname}.log.txt"` };
      return { status: 200, type: 'text/plain', headers, body: text === '' ? '' : `${text}\n` };
    },
  };
}

/** As many of the newest lines as fit on the page. */
function newestWithin(lines: readonly NumberedLine[]): readonly NumberedLine[] {
  let characters = 0;
  const first = lines.findLastIndex(({ line }) => (characters += line.length) > TAIL_CHARACTERS);
  return lines.slice(Math.min(first + 1, Math.max(lines.length - 1, 0)));
}

function shown(line: string): string {
  return line.length > LOG_LIMITS.lineLength ? `${line.slice(0, LOG_LIMITS.lineLength)}…` : line;
}

/** Begins with a note if older lines were deleted. */
function logText({ lines, linesCut }: StoredLogs): string {
  const cut = linesCut > 0 ? [`[${linesCut} earlier lines were dropped to stay within the limit]`] : [];
  return [...cut, ...lines].join('\n');
}

export async function followVmLogs(
  { db }: { readonly db: Db },
  { path: { hostname }, query, lastEventId, signal }: Input<'streamVmLogs'>,
): Promise<Reply<'streamVmLogs'>> {
  if ((await findStatus(db, hostname)) === null) return problem('vm_not_found');
  const after = readCursor(lastEventId ?? query.after);
  const items = tailLogs({ db, hostname, after, readMs: LOG_READ_MS, signal });
  return { status: 200, type: 'text/event-stream', body: logEvents(items) };
}

/** An id of another form means the beginning. */
function readCursor(id: string | null | undefined): number {
  return /^\d{1,15}$/.test(id ?? '') ? Number(id) : 0;
}

async function* logEvents(items: AsyncIterable<LogTailItem>): AsyncGenerator<ServerSentEvent, void> {
  for await (const item of items) {
    switch (item.kind) {
      case 'lines':
        yield { event: 'lines', data: linesView(item), id: String(item.lines.at(-1)?.id ?? 0) };
        break;
      case 'status':
        yield { event: 'status', data: { status: item.status } };
        break;
      case 'gone':
        yield { event: 'gone', data: { status: null } };
        break;
    }
  }
}

function linesView({
  number,
  lines,
}: Extract<LogTailItem, { readonly kind: 'lines' }>): components['schemas']['LogLines'] {
  return {
    first_number: number,
    lines: lines.map(({ line }) => shown(line)),
    error_indexes: lines.flatMap(({ line }, index) => (looksLikeError(line) ? [index] : [])),
  };
}
