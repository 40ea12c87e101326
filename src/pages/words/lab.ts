// What admins read of the lab: the overview, the machines. No markup.

export const adminWords = {
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
} as const;

export const instancesWords = {
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
} as const;

/** Told where a table shows fewer machines than there are. */
export function shownSentence(shown: number, total: number): string {
  if (shown === total) return total === 1 ? '1 machine' : `${total} machines`;
  return `${shown} of ${total} machines`;
}
