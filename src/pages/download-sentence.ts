// How far a download is, in a sentence: on the page, and again in the browser while it runs. Pure.
import type { components } from '../contract/openapi.gen.ts';
import { counted, formatBytes } from './format.ts';

type Download = components['schemas']['Download'];

const states = {
  searching: 'Checking the machines:',
  sending: 'Downloading:',
  done: 'Done:',
  failed: 'Failed.',
  abandoned: 'Aborted:',
} as const satisfies Record<Download['state'], string>;

/** The machine of a download, or which machines. */
export function downloadLabel({
  hostname,
  is_selection: isSelection,
}: Pick<Download, 'hostname' | 'is_selection'>): string {
  return hostname ?? (isSelection ? 'Selected machines' : 'All machines');
}

/** `Downloading: 3 / 12 machines, 40 files, 3.4 MB; 1 incomplete` */
export function downloadSentence(download: Download): string {
  const { state, message, vms, vms_done: done, vms_searched: searched, vms_failed: failed } = download;
  if (state === 'searching') return `${states.searching} ${searched} / ${vms}`;
  if (state === 'failed') return `${states.failed} ${message ?? ''}`;
  const sent = `${done} / ${vms} machines, ${counted(download.files, 'file')}, ${formatBytes(download.bytes)}`;
  return `${states[state]} ${sent}${failed === 0 ? '' : `; ${failed} incomplete`}`;
}
