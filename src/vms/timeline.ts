// The events of a machine as sentences. Pure.
import type { components } from '../contract/openapi.gen.ts';
import type { VmEvent } from './lifecycle.ts';

type Schemas = components['schemas'];

export type TimelineFacts = {
  readonly kind: Schemas['VmTimelineEntry']['kind'];
  readonly what: string;
  /** Of a status: the event that led to it; empty if it is not known. */
  readonly detail: string;
};

const statuses = {
  initializing: 'The machine is starting.',
  running: 'The machine is running.',
  error: 'The machine is in error.',
  unreachable: 'The machine has stopped responding.',
  recycling: 'The machine is being reset.',
  destroying: 'The machine is being destroyed.',
} as const satisfies Record<Schemas['VmStatus'], string>;

/** Events that say more than the status they lead to. */
const events = {
  adopt: 'The machine was added to the list; it has not reported yet.',
  'give-up': 'The provider could not keep the machine running.',
  response: 'The machine responds again.',
  reset: 'The machine has been reset.',
  'restart-failed': 'The machine was not restarted.',
  'destroy-failed': 'The machine was not destroyed.',
  gone: 'The machine no longer exists.',
} as const satisfies Partial<Record<VmEvent, string>>;

const assignments = {
  assigned: 'Assigned',
  delivered: 'Command picked up',
  registered: 'Connected',
  failed: 'Command failed',
  released: 'Assignment ended',
} as const;

/** Every action that the audit records. */
export type AuditAction =
  | Schemas['ActionName']
  | 'launch'
  | 'token'
  | 'destroy'
  | 'cancel'
  | 'reschedule-shutdown'
  | 'shutdown'
  | 'adopt'
  | 'terminate'
  | 'refuse-login'
  | 'twin'
  | 'settings'
  | 'roster'
  | 'schedule-add'
  | 'schedule-change'
  | 'schedule-cancel'
  | 'schedule-skip'
  | 'schedule-resume'
  | 'schedule-run'
  | 'schedule-missed'
  | 'schedule-download'
  | 'schedule-keep'
  | 'waiting-call'
  | 'waiting-move'
  | 'waiting-remove'
  | 'notify-add'
  | 'notify-change'
  | 'notify-pause'
  | 'notify-resume'
  | 'notify-remove'
  | 'notify-test'
  | 'notify-retry'
  | 'account-add'
  | 'account-role'
  | 'account-password'
  | 'account-disable'
  | 'account-enable'
  | 'account-remove';

/** What was asked for, where it is an operation that has to do it; else what was done with the event. */
const actions = {
  'allow-browser': 'New browser allowed',
  reassign: 'Other machine assigned',
  release: 'Released',
  'mark-healthy': 'Marked as healthy',
  restart: 'Restart requested',
  destroy: 'Destroy requested',
  token: 'New token issued',
  launch: 'Launch requested',
  cancel: 'Operation cancelled',
  'reschedule-shutdown': 'Shutdown time changed',
  shutdown: 'Shutdown time reached',
  adopt: 'Added to the list',
  terminate: 'Terminated',
  'refuse-login': 'Login refused',
  twin: 'Two machines report under this hostname',
  settings: 'Settings changed',
  roster: 'List of participants changed',
  'schedule-add': 'Planned',
  'schedule-change': 'Plan changed',
  'schedule-cancel': 'Plan cancelled',
  'schedule-skip': 'Plan skipped',
  'schedule-resume': 'Plan resumed',
  'schedule-run': 'Planned operation run at once',
  'schedule-missed': 'Planned operation missed',
  'schedule-download': 'Files downloaded before a planned destroy',
  'schedule-keep': 'Machines kept by a planned destroy',
  'waiting-call': 'Called from the waiting list',
  'waiting-move': 'Moved on the waiting list',
  'waiting-remove': 'Removed from the waiting list',
  'notify-add': 'Recipient of notifications added',
  'notify-change': 'Recipient of notifications changed',
  'notify-pause': 'Notifications paused',
  'notify-resume': 'Notifications resumed',
  'notify-remove': 'Recipient of notifications removed',
  'notify-test': 'Test notification requested',
  'notify-retry': 'Notification tried again',
  'account-add': 'Account added',
  'account-role': 'Role of an account changed',
  'account-password': 'Password of an account changed',
  'account-disable': 'Account disabled',
  'account-enable': 'Account enabled',
  'account-remove': 'Account removed',
} as const satisfies Record<AuditAction, string>;

/** The action in words; one that this program does not know is shown as it is. */
export function actionText(what: string): string {
  return labelOf(actions, what);
}

/** The same of one event: a release without a machine is the request of an operation, which then releases each. */
export function auditText({
  what,
  hostname,
}: {
  readonly what: string;
  readonly hostname: string | null;
}): string {
  return what === 'release' && hostname === null ? 'Release requested' : actionText(what);
}

/** Every step of an assignment that the timeline shows. */
export type AssignmentStep = keyof typeof assignments;

/** A name that this program does not know is shown as it is. */
export function timelineText({ kind, what, detail }: TimelineFacts): string {
  switch (kind) {
    case 'status':
      return labelOf(events, detail, labelOf(statuses, what));
    case 'assignment':
      return `${labelOf(assignments, what)} (${detail}).`;
    case 'action':
      return `${labelOf(actions, what)}${detail === '' ? '' : `: ${detail}`}.`;
    case 'operation':
      return what;
  }
}

function labelOf(labels: Readonly<Record<string, string>>, name: string, otherwise = name): string {
  return labels[name] ?? otherwise;
}
