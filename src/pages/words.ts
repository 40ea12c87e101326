// What the pages say, in English, in one place. No markup; the templates put it where it belongs.
// The sentences of problems and of assignment states are not here: they are the contract's and the rules'.
import type { AssignmentState } from '../vms/assignment.ts';
import type { VmStatus } from '../vms/status.ts';
import { chartWords } from './words/charts.ts';
import { fleetWords } from './words/fleet.ts';
import { logWords } from './words/logs.ts';

const vmStatus = {
  initializing: 'Initializing',
  running: 'Running',
  error: 'Error',
  unreachable: 'Unreachable',
  recycling: 'Recycling',
  destroying: 'Destroying',
} as const satisfies Record<VmStatus, string>;

/** For admins; participants get a sentence. */
const assignmentState = {
  waiting: 'Command not fetched yet',
  sent: 'Command sent',
  sent_unconfirmed: 'Command sent; cannot confirm',
  connected: 'Connected',
  failed: 'Command failed',
  expired: 'Code expired',
  machine_lost: 'Machine lost',
  released: 'Released',
} as const satisfies Record<AssignmentState, string>;

export const words = {
  brand: 'LabLink',
  skip: 'Skip to the content',
  yes: 'Yes',
  no: 'No',
  unknown: 'Unknown',
  notSaid: 'Not said',
  none: 'None',
  newTab: '(opens in a new tab)',
  refresh: 'Refresh',
  errorPrefix: 'Error',
  vmStatus,
  assignmentState,
  nav: {
    label: 'Admin',
    overview: 'Overview',
    instances: 'Machines',
    create: 'Create',
    destroy: 'Delete',
    docs: 'API docs',
  },
  index: {
    title: 'Get your machine',
    lead: 'Fill in this form and you are given a machine for the workshop, to use in your browser.',
    mineTitle: 'You have a machine already',
    mineLink: 'Go to',
    mineUnnamed: 'your machine',
    howTitle: 'Where the command comes from',
    how1: 'Open',
    how1Link: 'remotedesktop.google.com/headless',
    how1After: 'and sign in with your Google account.',
    how2: 'Press “Begin”, “Next” and “Authorize”. You need not install anything.',
    how3: 'Copy the whole command for Debian Linux and paste it below. Its code works once, for a few minutes: send it soon.',
    formTitle: 'Your details',
    email: 'E-mail address',
    emailHint: 'Your machine is kept under this address. Use the same one when you come back.',
    command: 'Chrome Remote Desktop command',
    commandHint: 'Paste the whole command, as you copied it.',
    pin: 'PIN of your machine',
    pinHint: 'This address has a machine already. Its six-digit PIN was shown when you were given it.',
    submit: 'Get my machine',
    missing: 'Email and CRD command are required.',
    invalid: 'Something in the form is not right yet.',
    /** In sentences about a field, by its name on the wire. */
    labels: { email: 'The e-mail address', crd_command: 'The command', pin: 'The PIN' },
  },
  success: {
    title: 'Your machine',
    returning: 'This is the machine that you have already; it stays yours.',
    gone: 'This machine has been taken away. If you still need one, ask your instructor.',
    hostname: 'Machine',
    pin: 'PIN',
    email: 'Given to',
    stateTitle: 'State',
    nextTitle: 'How to get in',
    next1: 'Open',
    next1Link: 'Chrome Remote Desktop',
    next1After: 'with the same Google account.',
    next2: 'Choose the machine named above. It may take a minute to appear.',
    next3: 'Enter the PIN.',
    keep: 'You can come back to this page: keep its address.',
    keepLink: 'Address of this page',
    live: 'The state is kept up to date by itself.',
    noscript: 'Press Refresh to see the newest state.',
    freshTitle: 'Send a fresh command',
    freshHint:
      'A command works once and only for a few minutes. Get a new one and send it here; it goes to the same machine.',
    freshSubmit: 'Send the command',
    startPage: 'Start page',
  },
  admin: {
    title: 'The lab',
    machinesTitle: 'Machines',
    total: 'All',
    free: 'Free',
    assigned: 'Assigned',
    unknownCounts: 'The database cannot be reached right now, so the counts are not known.',
    byStatus: 'By status',
    actionsTitle: 'What to do',
    instances: 'See the machines',
    instancesHint: 'One row per machine, with its participant and its logs.',
    create: 'Create machines',
    createHint: 'Launch as many as the workshop needs.',
    destroy: 'Delete all machines',
    destroyHint: 'Ends every machine, with everything on it.',
    docs: 'Read the API docs',
    docsHint: 'Every operation, and the list of problems.',
    healthTitle: 'Health',
    ok: 'OK',
    notOk: 'Not OK',
  },
  instances: {
    title: 'Machines',
    caption: 'Machines of this lab, by hostname',
    hostname: 'Machine',
    status: 'Status',
    participant: 'Participant',
    pin: 'PIN',
    inUse: 'In use',
    gpu: 'GPU',
    lastSeen: 'Last seen',
    waiting: 'Agent waiting',
    logsOf: 'Logs of',
    nobody: 'Nobody',
    never: 'Never',
    emptyTitle: 'No machines yet',
    empty: 'Machines appear here as soon as they report, or when you create some.',
    create: 'Create machines',
  },
  logs: logWords,
  charts: chartWords,
  error: {
    requestId: 'Request id',
    requestIdHint: 'Say it when you ask for help: the server’s log has it.',
    whatToDo: 'What to do',
    fields: 'What is wrong',
    home: 'Go to the start page',
    admin: 'Go to the overview',
    byStatus: {
      '400': 'Go back, mend what is named above, and send it again.',
      '401': 'Load the page again and sign in as the admin.',
      '403': 'Open the page here, and do it from there.',
      '404': 'Check the address, or begin at the start page.',
      '405': 'Use the links and forms of the pages; they begin at the start page.',
      '409': 'Load the page again to see how things stand.',
      '413': 'Go back and send less.',
      '415': 'Begin at the start page and use its form.',
      '429': 'Wait a moment, then try again.',
      '500': 'Try again. If it stays like this, tell your instructor, with the request id.',
      '501': 'Nothing is broken. This comes with a later version of the server.',
      '503': 'Wait a few seconds, then load the page again.',
    },
    otherwise: 'Begin at the start page.',
  },
  fleet: fleetWords,
  docs: {
    title: 'API docs',
    lead: 'The contract of this server, readable and tryable. As a file:',
    or: 'or',
    noscript:
      'The interactive view needs JavaScript. The contract itself does not: read one of the files above.',
    viewer: 'Operations',
    problemsTitle: 'Problems',
    problemsLead:
      'Errors are application/problem+json (RFC 9457). Their code is stable: program against it, not against the sentence.',
    code: 'Code',
    status: 'Status',
    detail: 'Meaning',
  },
} as const;

/** How many machines are free, as a sentence. */
export function freeSentence(count: number | null): string {
  if (count === null) return 'How many machines are free is not known right now. You can ask all the same.';
  if (count === 0)
    return 'No machine is free right now. If you have one already, this form brings you back to it.';
  return count === 1 ? '1 machine is free.' : `${count} machines are free.`;
}

/** Told where older log lines were dropped. */
export function cutSentence(lines: number): string {
  return lines === 1
    ? 'The oldest line was dropped to stay within the limit.'
    : `The ${lines} oldest lines were dropped to stay within the limit.`;
}

/** Told where a table shows fewer machines than there are. */
export function shownSentence(shown: number, total: number): string {
  if (shown === total) return total === 1 ? '1 machine' : `${total} machines`;
  return `${shown} of ${total} machines`;
}
