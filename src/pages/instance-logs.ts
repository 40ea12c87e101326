// The logs of one machine: the newest lines; a module follows from there.
import type { VmStatus } from '../vms/status.ts';
import { layoutView } from './layout.ts';
import { render } from './render.ts';
import { words } from './words.ts';
import { cutSentence, olderSentence } from './words/logs.ts';

export type InstanceLogsModel = {
  readonly hostname: string;
  readonly status: VmStatus;
  /** The newest, oldest of them first. */
  readonly lines: readonly { readonly text: string; readonly isError: boolean }[];
  /** How many that are kept come before them. */
  readonly older: number;
  /** How many were dropped before those. */
  readonly linesCut: number;
  /** The id of the last line; the stream goes on after it. */
  readonly after: number;
};

/** The log page: the lines, or why there are none. */
export function renderInstanceLogs(model: InstanceLogsModel): string {
  const { hostname, status, lines, older, linesCut, after } = model;
  const api = `/api/v1/vms/${encodeURIComponent(hostname)}`;
  const first = linesCut + older + 1;
  return render('instance-logs', {
    ...layoutView({
      title: `${words.logs.title} ${hostname}`,
      area: 'admin',
      styles: ['logs.css'],
      modules: ['logs.js'],
    }),
    hostname,
    status,
    statusLabel: words.vmStatus[status],
    here: `/admin/logs/${encodeURIComponent(hostname)}`,
    download: `${api}/logs.txt`,
    stream: `${api}/logs/events`,
    after,
    next: first + lines.length,
    cut: linesCut > 0 ? cutSentence(linesCut) : null,
    older: older > 0 ? olderSentence(older) : null,
    isEmpty: lines.length === 0,
    lines: lines.map(({ text, isError }, index) => ({ number: first + index, text, isError })),
    why: status === 'initializing' ? words.logs.notYet : words.logs.empty,
  });
}
