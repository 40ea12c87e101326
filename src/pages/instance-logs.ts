// The logs of one machine.
import type { VmStatus } from '../vms/status.ts';
import { layoutView } from './layout.ts';
import { render } from './render.ts';
import { words } from './words.ts';
import { cutSentence } from './words/lab.ts';

export type InstanceLogsModel = {
  readonly hostname: string;
  readonly status: VmStatus;
  /** Lines joined by newlines; empty where there are none. */
  readonly logs: string;
  /** How many older lines were dropped. */
  readonly linesCut: number;
};

/** The log page: the lines, or why there are none. */
export function renderInstanceLogs({ hostname, status, logs, linesCut }: InstanceLogsModel): string {
  const isEmpty = logs === '';
  return render('instance-logs', {
    ...layoutView({ title: `${words.logs.title} ${hostname}`, area: 'admin' }),
    hostname,
    status,
    statusLabel: words.vmStatus[status],
    here: `/admin/logs/${encodeURIComponent(hostname)}`,
    cut: linesCut > 0 ? cutSentence(linesCut) : null,
    logs: isEmpty ? null : logs,
    why: status === 'initializing' ? words.logs.notYet : words.logs.empty,
  });
}
