// What the pages of launching and destroying say. No markup.
export const fleetWords = {
  create: {
    title: 'Launch machines',
    lead: 'New machines are launched beside those that are there. Each is ready some minutes later.',
    people: 'How many people come?',
    peopleHint: 'One spare machine for every ten people is added: machines fail, and people bring friends.',
    peopleWrong: 'Enter how many people come, as a whole number like 40.',
    suggest: 'Suggest a number',
    suggested: 'Suggested:',
    numVms: 'How many machines',
    hint: 'At most this many at a time:',
    canary:
      'Of more than {n}, the first one is made alone; the others follow when it has reported that it runs.',
    hours: 'Hours until their end',
    hoursHint:
      'The machines end after so many hours, from 1 to 72; the end can be moved later. Left empty: as the server is set up, which is no end for machines that cost no money.',
    submit: 'Launch',
    notPositive: 'Number of VMs must be greater than 0. Enter a whole number.',
    tooMany: 'Number of VMs is too large; the form says how many may be launched at a time.',
    hoursWrong: 'The hours must be a whole number from 1 to 72. Nothing was launched.',
    twice: 'Number of VMs was given more than once.',
    notReadyTitle: 'Machines cannot be launched right now',
    runningTitle: 'Something is running already',
    running: 'One operation runs at a time. Wait for its end, or cancel it.',
    watch: 'Watch it',
    history: 'What was launched and destroyed before',
    plan: {
      title: 'What a launch means',
      type: 'Machine type',
      price: 'Price of one machine',
      perHour: 'USD an hour',
      priceUnknown: 'Not known for this type in this region',
      pricedAt: 'list price, us-east-1, on demand, Linux, as of',
      quota: 'Quota',
      quotaUnknown: 'The quota could not be read. A launch may stop at it.',
      total: 'All of them, until their end',
    },
  },
  dashboard: {
    launch: 'Launch',
    destroy: 'Destroy all machines',
    destroyOne: 'Destroy {name}',
    destroySome: 'Destroy {n} machines',
    statusTitle: 'How it goes',
    progress: 'Progress',
    askedBy: 'Asked for by',
    at: 'at',
    launchedTo: 'Its machines were launched to end at',
    ends: 'Ends',
    cancel: 'Cancel it',
    cancelHint: { launch: 'What was made stays.', destroy: 'What was ended is gone; the rest stays.' },
    cancelTitle: 'Cancelling',
    cancelAsked: 'Asked to end',
    cancelEnding: 'Ending: what is half done is finished or undone, nothing new is begun.',
    cancelForced: 'If it has not ended a minute later, it is ended by force.',
    outputTitle: 'Output',
    older: 'Older lines are not shown here:',
    again: 'Back to the form',
    permanent: 'Address of this page',
    live: 'This page is kept up to date by itself.',
    noscript: 'This page loads itself again every few seconds.',
    machinesTitle: 'Machines of this operation',
    machinesCaption: 'What became of each machine',
    making: 'Making',
    ending: 'Ending',
    reported: 'Status',
    up: 'Ready',
    noMachines: 'Which machines it is about is not known yet.',
    allMachines: 'See all machines',
    history: 'All operations',
    leftTitle: 'Machines left',
    proofSome: 'Proof: at the end it was looked whether they still exist, and they do not.',
    proof: {
      local: 'Proof: at the end this server looked which machines still exist, and found none.',
      aws: 'Proof: at the end the cloud was asked which machines still exist, and it has none of ours.',
      external: 'Machines that came by themselves run on; nothing is left here that this server could end.',
    },
  },
  destroy: {
    title: 'Destroy all machines',
    more: 'And {n} more',
    lead: 'Every machine is ended, with everything on it. This cannot be undone.',
    affectedTitle: 'What will be destroyed',
    nobody: 'Nobody',
    comersTitle: 'What only disappears from here',
    comers:
      'These machines came by themselves: they run on. They disappear from here, and what they report is left unheard for an hour.',
    othersTitle: 'What stays',
    others:
      'These machines belong to another provider than the one that this server runs with now; they cannot be ended from here.',
    nothing: 'There are no machines.',
    peopleTitle: 'People who lose their machine',
    machine: 'Machine',
    participant: 'Participant',
    undownloadedTitle: 'Work that was not downloaded',
    undownloaded:
      'What these people made has not been downloaded since it changed last. It is lost with their machines.',
    download: 'Download everybody’s work first',
    allDownloaded: 'Everybody’s work has been downloaded.',
    confirmTitle: 'Confirm',
    confirm: 'To confirm, type the name of this deployment:',
    submit: 'Destroy all machines',
  },
  operations: {
    title: 'Operations',
    lead: 'What was launched and destroyed, by whom, and how it went.',
    caption: 'Operations, the newest first',
    what: 'What',
    outcome: 'Outcome',
    who: 'Who',
    when: 'When',
    took: 'How long',
    output: 'Output of',
    none: 'Nothing was launched or destroyed yet.',
    noneHere: 'There is nothing older.',
    create: 'Launch machines',
    older: 'Older',
    newest: 'Newest',
    pages: 'Pages of operations',
  },
} as const;

/** What an operation is, as a title. */
export function operationTitle({
  kind,
  hostnames,
}: {
  readonly kind: 'launch' | 'destroy';
  readonly hostnames: readonly string[] | null;
}): string {
  const { destroyOne, destroySome } = fleetWords.dashboard;
  const [first, ...others] = hostnames ?? [];
  if (kind === 'launch' || first === undefined) return fleetWords.dashboard[kind];
  if (others.length === 0) return destroyOne.replace('{name}', () => first);
  return destroySome.replace('{n}', String(others.length + 1));
}

/** Who is hit by a destroy. */
export function affectedSentence(machines: number, people: number): string {
  const ended = machines === 1 ? '1 machine is ended' : `${machines} machines are ended`;
  if (people === 0) return `${ended}; nobody has one of them.`;
  return `${ended}, and ${people === 1 ? '1 person loses theirs' : `${people} people lose theirs`}.`;
}

/** When one machine goes ahead of the others; null where none ever does. */
export function canarySentence(above: number | null): string | null {
  return above === null ? null : fleetWords.create.canary.replace('{n}', String(above));
}

export type QuotaFigures = {
  readonly neededVcpusPerVm: number | null;
  readonly quotaVcpus: number | null;
  readonly usedVcpus: number | null;
};

/** How many more machines the quota allows, as far as that is known. */
export function quotaSentence({ neededVcpusPerVm, quotaVcpus, usedVcpus }: QuotaFigures): string {
  if (quotaVcpus === null) return fleetWords.create.plan.quotaUnknown;
  const used = usedVcpus === null ? 'how many are in use is not known' : `${usedVcpus} are in use`;
  const have = `${quotaVcpus} vCPUs, of which ${used}.`;
  if (usedVcpus === null) return `${quotaVcpus} vCPUs; ${used}.`;
  if (neededVcpusPerVm === null || neededVcpusPerVm <= 0) return have;
  const more = Math.max(0, Math.floor((quotaVcpus - usedVcpus) / neededVcpusPerVm));
  const rest = more === 1 ? '1 more machine is possible' : `${more} more machines are possible`;
  return `${have} Each machine needs ${neededVcpusPerVm}, so ${more === 0 ? 'no more machine is possible' : rest}.`;
}
