// What the page of the fleet says: its end, its cost, orphans. Like words.ts: no markup.
export const endsWords = {
  title: 'End and cost',
  summaryTitle: 'The launched machines',
  machines: 'There now',
  firstEnd: 'First end',
  endNote: 'Their first end is',
  over: 'Over',
  noEnd: 'No end',
  none: 'None',
  cost: 'Cost so far',
  about: 'about ${usd}',
  free: 'Nothing',
  pricesAsOf: 'Prices as of',
  extendTitle: 'Move the end',
  extendHint: 'All launched machines end so many hours from now, whatever their end is now. From 1 to 72.',
  extendNote:
    'Machines in the cloud are told over SSH. One that cannot be reached keeps its old end, is shown here, and is tried again.',
  hours: 'Hours from now',
  extend: 'Move the end',
  launchesTitle: 'Launches',
  launched: 'Launched',
  by: 'By',
  made: 'Made',
  living: 'There now',
  ends: 'Ends',
  costOf: 'Cost',
  noLaunches: 'Nothing was launched yet.',
  membersTitle: 'Machines that want attention',
  overdue: 'Its end and the grace are over, and it is there still. It costs money: destroy it.',
  untold: 'It has not been told its new end yet.',
  wanted: 'It is to end',
  orphansTitle: 'Orphans',
  orphansLead:
    'Machines that exist without a row, and rows whose machine does not exist. They are looked for at start, after interruptions, and whenever this page is loaded.',
  noOrphans: 'There are none: every machine has its row, and every row its machine.',
  notAsked: 'The provider has not been asked yet.',
  askedAt: 'The provider answered last at',
  id: 'Id',
  name: 'Machine',
  reason: 'How it stands',
  decide: 'Decide',
  adopt: 'Adopt',
  terminate: 'Terminate',
  terminating: 'It is ended with everything on it. This cannot be undone.',
  clear: 'Clear the row',
  clearing: 'The machine disappears from the list, with what is known of it.',
  sure: 'Yes, do it:',
  see: 'See the machine',
  of: 'of',
} as const;

/** `2 launched machines.` */
export function launchedSentence(machines: number): string {
  return machines === 1 ? '1 launched machine' : `${machines} launched machines`;
}

/** What a look at the end must not miss. */
export function overdueSentence(count: number): string {
  return count === 1
    ? '1 machine is past its end, and still there.'
    : `${count} machines are past their end, and still there.`;
}

/** Why the cost is more than what is shown. */
export function unpricedSentence(count: number): string {
  const what =
    count === 1
      ? '1 machine is not counted: its type and region have'
      : `${count} machines are not counted: their types and regions have`;
  return `${what} no price here.`;
}

/** What ends a machine when this server cannot. */
export function graceSentence(minutes: number): string {
  return `A machine that costs money shuts itself down ${minutes} minutes after its end, whatever becomes of this server.`;
}
