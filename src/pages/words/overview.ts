// What the overview and the table of machines say. No markup.
import type { components } from '../../contract/openapi.gen.ts';

type Reason = components['schemas']['Attention']['reason'];

/** The button beside a reason: each leads to the page of the machine, where it is done. */
const remedies = {
  machine_lost: 'Give another machine',
  command_failed: 'See the machine',
  overdue: 'See the machine',
  error: 'See what can be done',
  unreachable: 'See what can be done',
  gpu_unhealthy: 'Mark healthy',
} as const satisfies Record<Reason, string>;

const reasons = {
  machine_lost: 'Somebody cannot work',
  command_failed: 'Needs a fresh command',
  overdue: 'Takes too long',
  error: 'Error',
  unreachable: 'Unreachable',
  gpu_unhealthy: 'GPU unhealthy',
} as const satisfies Record<Reason, string>;

export const labWords = {
  title: 'Lab',
  remedies,
  reasons,
  countsTitle: 'Machines',
  figures: {
    free: 'Free',
    assigned: 'Assigned',
    inUse: 'In use',
    starting: 'Starting',
    failed: 'Failed',
    total: 'All',
  },
  byStatus: 'By status',
  unknownCounts: 'The database cannot be reached right now, so nothing is known of the machines.',
  attentionTitle: 'What needs you',
  attentionNone: 'Nothing needs you right now.',
  attentionMore: 'See all that need you:',
  noneFreeReason: 'No machine is free',
  noneFree: 'Every running machine has somebody. Whoever comes next is told to wait.',
  noneFreeRemedy: 'Launch machines',
  operationTitle: 'What is running',
  operationNone: 'No launch and no destroy is running.',
  watch: 'Watch it',
  healthTitle: 'Health',
  ok: 'OK',
  notOk: 'Not OK',
  unused: 'Not used',
  checks: {
    database: 'Database',
    listener: 'Listener',
    operations: 'Queue of operations',
    provisioning: 'Provisioning',
  },
  emptyTitle: 'A new lab',
  empty: 'There are no machines yet. In this order:',
  steps: [
    { href: '/admin/create', label: 'Launch machines', hint: 'as many as people, and one spare in ten.' },
    {
      href: '/admin/instances',
      label: 'Watch them come',
      hint: 'each is ready some minutes later; what takes too long says so.',
    },
    {
      href: '/',
      label: 'Give people the address of the start page',
      hint: 'there each asks for a machine.',
    },
  ],
  emptyExternal:
    'This server launches no machines itself; they come by themselves, or are registered (see the API docs).',
  live: 'This page keeps itself up to date.',
} as const;
