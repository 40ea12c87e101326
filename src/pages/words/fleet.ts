// What the pages of launching and destroying say. No markup.
import type { components } from '../../contract/openapi.gen.ts';

type OperationStatus = components['schemas']['OperationStatus'];

const operationStatus = {
  queued: 'Waiting',
  running: 'Running',
  succeeded: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
  interrupted: 'Interrupted',
} as const satisfies Record<OperationStatus, string>;

export const fleetWords = {
  operationStatus,
  create: {
    title: 'Create machines',
    lead: 'New machines are launched beside those that are there. Each is ready some minutes later.',
    numVms: 'How many',
    hint: 'At most this many at a time:',
    submit: 'Launch',
    notPositive: 'Number of VMs must be greater than 0. Enter a whole number.',
    tooMany: 'Number of VMs is too large; the form says how many may be launched at a time.',
    twice: 'Number of VMs was given more than once.',
    notReadyTitle: 'Machines cannot be launched right now',
    runningTitle: 'Something is running already',
    running: 'One operation runs at a time. Wait for its end, or cancel it.',
    watch: 'Watch it',
  },
  dashboard: {
    launch: 'Launch',
    destroy: 'Delete all machines',
    statusTitle: 'How it goes',
    progress: 'Progress',
    askedBy: 'Asked for by',
    at: 'at',
    cancel: 'Cancel it',
    cancelHint: { launch: 'What was made stays.', destroy: 'What was ended is gone; the rest stays.' },
    outputTitle: 'Output',
    older: 'Older lines are not shown here:',
    again: 'Back to the form',
    permanent: 'Address of this page',
    live: 'This page is kept up to date by itself.',
    offline: 'The connection is lost; it is tried again.',
    noscript: 'This page loads itself again every few seconds.',
    monitorTitle: 'Machines',
    none: 'There are no machines.',
  },
  destroy: {
    title: 'Delete all machines',
    lead: 'Every machine is ended, with everything on it. This cannot be undone.',
    affectedTitle: 'What will be deleted',
    nobody: 'Nobody',
    comersTitle: 'What only disappears from here',
    comers:
      'These machines came by themselves: they run on. They disappear from here, and what they report is left unheard for an hour.',
    othersTitle: 'What stays',
    others:
      'These machines belong to another provider than the one that this server runs with now; they cannot be ended from here.',
    nothing: 'There are no machines.',
    confirm: 'To confirm, type the name of this deployment:',
    submit: 'Delete all machines',
  },
} as const;
