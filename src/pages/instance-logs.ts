// The log of one machine: the newest lines; the page's module adds new ones.
import type { Viewer } from '../contract/role.ts';
import type { VmStatus } from '../vms/lifecycle.ts';
import { layoutView } from './layout.ts';
import { render } from './render.ts';
import { vmStatusLabels } from './status-labels.ts';
import { vmApiHref, vmLogsHref, vmPageHref } from './hrefs.ts';

export type InstanceLogsModel = {
  readonly site?: string | undefined;
  readonly viewer?: Viewer | null | undefined;
  readonly hostname: string;
  readonly status: VmStatus;
  /** The newest lines, in order. */
  readonly lines: readonly { readonly text: string; readonly isError: boolean }[];
  /** The number of stored lines before them. */
  readonly older: number;
  /** The number of lines before those that were dropped. */
  readonly linesCut: number;
  /** The id of the last line; the stream continues after it. */
  readonly after: number;
};

export function renderInstanceLogs(model: InstanceLogsModel): string {
  const { hostname, status, lines, older, linesCut, after } = model;
  const first = linesCut + older + 1;
  return render('instance-logs', {
    ...layoutView({
      site: model.site,
      viewer: model.viewer,
      title: `Log of ${hostname}`,
      area: 'admin',
      current: '/admin/instances',
      styles: ['logs.css'],
      modules: ['logs.js'],
    }),
    status,
    statusLabel: vmStatusLabels[status],
    here: vmLogsHref(hostname),
    machine: vmPageHref(hostname),
    hostname,
    download: `${vmApiHref(hostname)}/logs.txt`,
    stream: `${vmApiHref(hostname)}/logs/events`,
    after,
    next: first + lines.length,
    cut: linesCut > 0 ? cutSentence(linesCut) : null,
    older: older > 0 ? olderSentence(older) : null,
    isEmpty: lines.length === 0,
    isStarting: status === 'initializing',
    lines: lines.map(({ text, isError }, index) => ({ number: first + index, text, isError })),
  });
}

function olderSentence(count: number): string {
  return count === 1 ? '1 earlier line is not shown.' : `${count} earlier lines are not shown.`;
}

function cutSentence(count: number): string {
  const what = count === 1 ? 'The oldest line was' : `The ${count} oldest lines were`;
  return `${what} dropped to stay within the limit.`;
}
