// What an operation's page says about its status and its machines, for the server and for the browser that keeps the page
// up to date. Pure.
import type { components } from '../contract/openapi.gen.ts';
import { say } from './spans.ts';
import { vmStatusLabels } from './status-labels.ts';

type Schemas = components['schemas'];
type Kind = Schemas['Operation']['kind'];

export const operationStatusLabels = {
  queued: 'Queued',
  running: 'Running',
  succeeded: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
  interrupted: 'Interrupted',
} as const satisfies Record<Schemas['OperationStatus'], string>;

export const kindLabels = {
  launch: 'Launch',
  destroy: 'Destroy',
  release: 'Release',
  restart: 'Restart',
} as const satisfies Record<Kind, string>;

/** An attribute of the page as a kind. */
export function readKind(text: string): Kind {
  return Object.keys(kindLabels).find((kind): kind is Kind => kind === text) ?? 'launch';
}

const machineStateLabels = {
  launch: {
    waiting: 'Being created',
    created: 'Created',
    failed: 'Could not be created',
    destroyed: 'Destroyed',
    done: 'Created',
  },
  destroy: {
    waiting: 'Being destroyed',
    created: 'Kept',
    failed: 'Not destroyed',
    destroyed: 'Destroyed',
    done: 'Destroyed',
  },
  release: {
    waiting: 'Waiting',
    created: 'Kept',
    failed: 'Not released',
    destroyed: 'Destroyed',
    done: 'Released',
  },
  restart: {
    waiting: 'Waiting',
    created: 'Kept',
    failed: 'Not restarted',
    destroyed: 'Destroyed',
    done: 'Restarted',
  },
} as const satisfies Record<Kind, Record<Schemas['OperationVmState'], string>>;

/** What the operation did with a machine, in words. */
export function outcomeLabel(kind: Kind, state: Schemas['OperationVmState']): string {
  return machineStateLabels[kind][state];
}

/** Of a machine that still waits although the operation has ended, because the provider could not say what exists. */
export const UNKNOWN_OUTCOME = { state: 'unknown', label: 'Not known' } as const;

/** What the operation did with a machine. */
export function machineOutcome(
  kind: Kind,
  { state, seconds, detail }: Schemas['OperationVm'],
  isOver: boolean,
) {
  return {
    ...(state === 'waiting' && isOver ? UNKNOWN_OUTCOME : { state, label: outcomeLabel(kind, state) }),
    seconds: seconds === null ? null : say(seconds.toFixed(1), 's'),
    detail,
  };
}

/** What the machine itself reports, as far as it is in the list. */
export function reportedLabel(vm: Pick<Schemas['Vm'], 'status' | 'last_seen_at'> | null): string {
  if (vm === null) return 'Not in the list';
  if (vm.status === 'initializing' && vm.last_seen_at === null) return 'Not reported yet';
  return vmStatusLabels[vm.status];
}

/** `3 of 40 machines are ready.` @param total how many the launch was asked for */
export function readySentence(ready: number, total: number): string {
  if (ready < total) return `${ready} of ${total} machines are ready.`;
  return total === 1 ? 'The machine is ready.' : `All ${total} machines are ready.`;
}

/** How many machines are left. */
export function leftSentence(left: number): string {
  if (left === 0) return 'No machines are left.';
  return left === 1 ? '1 machine is left.' : `${left} machines are left.`;
}

/** `3 / 40`, or `3 / 40, 2 failed`; empty while the number of steps is not known. */
export function progressText({ done, failed, total }: Schemas['Operation']['progress']): string {
  if (total === 0) return '';
  return `${done} / ${total}${failed > 0 ? `, ${failed} failed` : ''}`;
}
