// What admins read of the machines and their logs. No markup.

export const instancesWords = {
  title: 'Machines',
  caption: 'Machines of this lab, by hostname',
  hostname: 'Machine',
  status: 'Status',
  participant: 'Participant',
  inUse: 'In use',
  gpu: 'GPU',
  logsOf: 'Log of',
  nobody: 'Nobody',
  emptyTitle: 'No machines yet',
  empty: 'Machines appear here as soon as they report, or when you launch some.',
  create: 'Launch machines',
} as const;

/** Told where a table shows fewer machines than there are. */
export function shownSentence(shown: number, total: number): string {
  if (shown === total) return total === 1 ? '1 machine' : `${total} machines`;
  return `${shown} of ${total} machines`;
}
