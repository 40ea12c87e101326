// What is read when somebody asks for metrics: facts in, named values out. Pure.

export type Sample = { readonly value: number; readonly labels?: Readonly<Record<string, string>> };

export type Reading<Facts> = {
  readonly name: string;
  readonly help: string;
  readonly kind: 'gauge' | 'counter';
  readonly labelNames?: readonly string[];
  /** No sample: the value is not known. */
  readonly read: (facts: Facts) => readonly Sample[];
};

/** What this process knows without asking anybody. */
export type ServerFacts = {
  readonly version: string;
  readonly runningRequests: number;
  readonly responseFaults: number;
  readonly waitingVms: number;
  readonly listenerConnected: boolean;
  /** Whether the facts of the database could be read. */
  readonly databaseUp: boolean;
  readonly pool: {
    readonly open: number;
    readonly idle: number;
    readonly waiting: number;
    readonly most: number;
  };
  readonly groups: readonly {
    readonly name: string;
    readonly groups: number;
    readonly items: number;
    readonly largest: number;
    readonly alone: number;
    readonly waiting: number;
  }[];
  /** What the provider has without a row, and rows without a machine; null: not looked yet. */
  readonly orphans: { readonly checkedAt: Date; readonly byKind: Readonly<Record<string, number>> } | null;
};

/** What the database knows. */
export type LabFacts = {
  /** Every status, also those without a machine. */
  readonly byStatus: ReadonlyMap<string, number>;
  readonly free: number;
  readonly assigned: number;
  readonly inUse: number;
  /** `participant`: whether it keeps a participant from working. */
  readonly attention: readonly {
    readonly reason: string;
    readonly participant: boolean;
    readonly count: number;
  }[];
  /** Machines that exist after their shutdown time. */
  readonly pastEnd: number;
  /** Machines that cost money and have no shutdown time. */
  readonly withoutEnd: number;
  /** Machines on which a new shutdown time could not be set. */
  readonly endNotSet: number;
  readonly workNotDownloaded: number;
  /** The first shutdown time of those. */
  readonly workEndsAt: Date | null;
  readonly operations: Readonly<Record<'queued' | 'running', number>>;
  /** Since the request of the active operation; 0 where there is none. */
  readonly activeOperationSeconds: number;
  readonly logBytes: number;
  readonly databaseBytes: number;
  /** Null: there is none. */
  readonly backupAgeSeconds: number | null;
  readonly backupFailed: boolean;
  /** Null: none are scheduled. */
  readonly backupEverySeconds: number | null;
  /** Of the last day, those that have failed. */
  readonly notifications: Readonly<Record<'waiting' | 'failed', number>>;
};

const one = (value: number): Sample[] => [{ value }];
const secondsOf = (date: Date): number => date.getTime() / 1_000;
const labelled = (label: string, values: Readonly<Record<string, number>>): Sample[] =>
  Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }));

type Group = ServerFacts['groups'][number];

function groupReading(
  name: string,
  kind: 'gauge' | 'counter',
  help: string,
  valueOf: (group: Group) => number,
): Reading<ServerFacts> {
  return {
    name,
    kind,
    help,
    labelNames: ['statement'],
    read: ({ groups }) =>
      groups.map((group) => ({ labels: { statement: group.name }, value: valueOf(group) })),
  };
}

export const serverReadings: readonly Reading<ServerFacts>[] = [
  {
    name: 'lablink_info',
    kind: 'gauge',
    help: 'Always 1; the version of the allocator.',
    labelNames: ['version'],
    read: ({ version }) => [{ labels: { version }, value: 1 }],
  },
  {
    name: 'lablink_http_requests_running',
    kind: 'gauge',
    help: 'Requests that are not over, with waiting polls and open event streams.',
    read: ({ runningRequests }) => one(runningRequests),
  },
  {
    name: 'lablink_contract_faults_total',
    kind: 'counter',
    help: 'Answers that broke the contract (openapi.yaml).',
    read: ({ responseFaults }) => one(responseFaults),
  },
  {
    name: 'lablink_waiting_vms',
    kind: 'gauge',
    help: 'Machines whose poll waits at this allocator for an assignment.',
    read: ({ waitingVms }) => one(waitingVms),
  },
  {
    name: 'lablink_listener_connected',
    kind: 'gauge',
    help: '1 while notifications about assignments arrive; 0: commands arrive up to 10 s late.',
    read: ({ listenerConnected }) => one(listenerConnected ? 1 : 0),
  },
  {
    name: 'lablink_database_up',
    kind: 'gauge',
    help: '1 if the database answered in time; 0: what is read from it is missing.',
    read: ({ databaseUp }) => one(databaseUp ? 1 : 0),
  },
  {
    name: 'lablink_database_connections',
    kind: 'gauge',
    help: 'Connections of the pool by use.',
    labelNames: ['use'],
    read: ({ pool: { open, idle } }) => labelled('use', { busy: open - idle, idle }),
  },
  {
    name: 'lablink_database_connections_max',
    kind: 'gauge',
    help: 'The most connections of the pool (DATABASE_POOL_SIZE).',
    read: ({ pool }) => one(pool.most),
  },
  {
    name: 'lablink_database_queries_waiting',
    kind: 'gauge',
    help: 'Queries that wait for a connection of the pool.',
    read: ({ pool }) => one(pool.waiting),
  },
  groupReading(
    'lablink_groups_total',
    'counter',
    'Groups that one statement served.',
    ({ groups }) => groups,
  ),
  groupReading('lablink_group_items_total', 'counter', 'Requests in those groups.', ({ items }) => items),
  groupReading(
    'lablink_group_alone_total',
    'counter',
    'Requests that were served alone after their group.',
    ({ alone }) => alone,
  ),
  groupReading(
    'lablink_group_largest',
    'gauge',
    'Requests in the largest group so far.',
    ({ largest }) => largest,
  ),
  groupReading(
    'lablink_group_waiting',
    'gauge',
    'Requests that wait for their group.',
    ({ waiting }) => waiting,
  ),
  {
    name: 'lablink_orphans',
    kind: 'gauge',
    help: 'What an admin has to decide about: "vm" and "foreign" are machines without a row, "record" is a row without a machine.',
    labelNames: ['kind'],
    read: ({ orphans }) => (orphans === null ? [] : labelled('kind', orphans.byKind)),
  },
  {
    name: 'lablink_orphans_checked_timestamp_seconds',
    kind: 'gauge',
    help: 'When the provider last listed its machines.',
    read: ({ orphans }) => (orphans === null ? [] : one(secondsOf(orphans.checkedAt))),
  },
];

export const labReadings: readonly Reading<LabFacts>[] = [
  {
    name: 'lablink_vms',
    kind: 'gauge',
    help: 'Machines by status.',
    labelNames: ['status'],
    read: ({ byStatus }) => [...byStatus].map(([status, value]) => ({ labels: { status }, value })),
  },
  {
    name: 'lablink_vms_free',
    kind: 'gauge',
    help: 'Machines that the next participant can get.',
    read: ({ free }) => one(free),
  },
  {
    name: 'lablink_vms_assigned',
    kind: 'gauge',
    help: 'Machines that a participant has.',
    read: ({ assigned }) => one(assigned),
  },
  {
    name: 'lablink_vms_in_use',
    kind: 'gauge',
    help: 'Machines on which somebody works, as they report.',
    read: ({ inUse }) => one(inUse),
  },
  {
    name: 'lablink_attention',
    kind: 'gauge',
    help: 'What needs attention, by reason; participant="yes": a participant has the machine.',
    labelNames: ['reason', 'participant'],
    read: ({ attention }) =>
      attention.map(({ reason, participant, count }) => ({
        labels: { reason, participant: participant ? 'yes' : 'no' },
        value: count,
      })),
  },
  {
    name: 'lablink_vms_past_end',
    kind: 'gauge',
    help: 'Machines that still exist after their shutdown time and its grace.',
    read: ({ pastEnd }) => one(pastEnd),
  },
  {
    name: 'lablink_vms_without_end',
    kind: 'gauge',
    help: 'Machines that cost money and have no shutdown time.',
    read: ({ withoutEnd }) => one(withoutEnd),
  },
  {
    name: 'lablink_vms_end_not_set',
    kind: 'gauge',
    help: 'Machines on which a new shutdown time could not be set.',
    read: ({ endNotSet }) => one(endNotSet),
  },
  {
    name: 'lablink_vms_work_not_downloaded',
    kind: 'gauge',
    help: 'Machines with a participant’s work of which there is no complete download.',
    read: ({ workNotDownloaded }) => one(workNotDownloaded),
  },
  {
    name: 'lablink_work_not_downloaded_end_timestamp_seconds',
    kind: 'gauge',
    help: 'The first shutdown time of those machines.',
    read: ({ workEndsAt }) => (workEndsAt === null ? [] : one(secondsOf(workEndsAt))),
  },
  {
    name: 'lablink_operations_active',
    kind: 'gauge',
    help: 'The queue: launches and destroys that wait or run.',
    labelNames: ['status'],
    read: ({ operations }) => labelled('status', operations),
  },
  {
    name: 'lablink_operation_active_seconds',
    kind: 'gauge',
    help: 'How long the active operation has taken so far.',
    read: ({ activeOperationSeconds }) => one(activeOperationSeconds),
  },
  {
    name: 'lablink_notifications',
    kind: 'gauge',
    help: 'Notifications that wait to be sent, and those of the last day that could not be sent.',
    labelNames: ['status'],
    read: ({ notifications }) => labelled('status', notifications),
  },
  {
    name: 'lablink_log_bytes',
    kind: 'gauge',
    help: 'Disk space of the machines’ logs, with indexes.',
    read: ({ logBytes }) => one(logBytes),
  },
  {
    name: 'lablink_database_bytes',
    kind: 'gauge',
    help: 'Disk space of the database.',
    read: ({ databaseBytes }) => one(databaseBytes),
  },
  {
    name: 'lablink_backup_age_seconds',
    kind: 'gauge',
    help: 'Since the newest backup; missing where there is none.',
    read: ({ backupAgeSeconds }) => (backupAgeSeconds === null ? [] : one(backupAgeSeconds)),
  },
  {
    name: 'lablink_backup_failed',
    kind: 'gauge',
    help: '1 if the newest scheduled backup failed.',
    read: ({ backupFailed }) => one(backupFailed ? 1 : 0),
  },
  {
    name: 'lablink_backup_interval_seconds',
    kind: 'gauge',
    help: 'How often a backup is due; missing where none are scheduled.',
    read: ({ backupEverySeconds }) => (backupEverySeconds === null ? [] : one(backupEverySeconds)),
  },
];
