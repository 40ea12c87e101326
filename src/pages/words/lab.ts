// What admins read of the machines and their logs. No markup.

export const instancesWords = {
  title: 'Machines',
  caption: 'Machines of this lab, by hostname',
  hostname: 'Machine',
  status: 'Status',
  participant: 'Participant',
  inUse: 'In use',
  gpu: 'GPU',
  logsOf: 'Logs of',
  nobody: 'Nobody',
  emptyTitle: 'No machines yet',
  empty: 'Machines appear here as soon as they report, or when you create some.',
  create: 'Create machines',
} as const;

export const logsWords = {
  title: 'Logs of',
  back: 'All machines',
  status: 'Status',
  notYet: 'There are no logs yet: the machine is still being set up. Refresh in a minute.',
  empty: 'This machine has sent no logs.',
  region: 'Log lines',
} as const;

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
