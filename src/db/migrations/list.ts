// The migrations in order, listed statically. A new one is appended; none is ever removed or renamed.
import type { Migration } from 'kysely/migration';
import * as initial from './0001-initial.ts';
import * as operations from './0002-operations.ts';
import * as collect from './0003-collect.ts';
import * as fleetEnds from './0004-fleet-ends.ts';
import * as vmDeeds from './0005-vm-deeds.ts';
import * as history from './0007-history.ts';
import * as plainWords from './0008-plain-words.ts';
import * as vmStatusEvents from './0009-vm-status-events.ts';
import * as providers from './0010-providers.ts';
import * as place from './0013-place.ts';
import * as browsersAndSecrets from './0015-browsers-and-secrets.ts';
import * as idempotency from './0017-idempotency.ts';
import * as twins from './0018-twins.ts';
import * as availableVms from './0020-available-vms.ts';
import * as whereVmsWait from './0022-where-vms-wait.ts';
import * as backups from './0023-backups.ts';
import * as workshop from './0024-workshop.ts';
import * as waitingList from './0025-waiting-list.ts';
import * as accounts from './0026-accounts.ts';
import * as schedule from './0027-schedule.ts';
import * as notifications from './0028-notifications.ts';
import * as selectionsAndCodes from './0029-selections-and-codes.ts';
import * as timesOfAssignments from './0030-times-of-assignments.ts';
import * as orderOfStatuses from './0031-order-of-statuses.ts';

export type ListedMigration = {
  /** Begins with its number, four digits. */
  readonly name: string;
  /** True where a program that does not know this migration must not run on the schema any more. */
  readonly breaking: boolean;
  readonly migration: Migration;
};

export const migrations: readonly ListedMigration[] = [
  { name: '0001-initial', breaking: true, migration: initial },
  { name: '0002-operations', breaking: true, migration: operations },
  { name: '0003-collect', breaking: false, migration: collect },
  { name: '0004-fleet-ends', breaking: true, migration: fleetEnds },
  { name: '0005-vm-deeds', breaking: true, migration: vmDeeds },
  { name: '0007-history', breaking: false, migration: history },
  { name: '0008-plain-words', breaking: true, migration: plainWords },
  { name: '0009-vm-status-events', breaking: false, migration: vmStatusEvents },
  { name: '0010-providers', breaking: false, migration: providers },
  { name: '0013-place', breaking: false, migration: place },
  { name: '0015-browsers-and-secrets', breaking: false, migration: browsersAndSecrets },
  { name: '0017-idempotency', breaking: false, migration: idempotency },
  { name: '0018-twins', breaking: false, migration: twins },
  { name: '0020-available-vms', breaking: false, migration: availableVms },
  { name: '0022-where-vms-wait', breaking: false, migration: whereVmsWait },
  { name: '0023-backups', breaking: false, migration: backups },
  { name: '0024-workshop', breaking: false, migration: workshop },
  { name: '0025-waiting-list', breaking: false, migration: waitingList },
  { name: '0026-accounts', breaking: false, migration: accounts },
  { name: '0027-schedule', breaking: false, migration: schedule },
  { name: '0028-notifications', breaking: false, migration: notifications },
  { name: '0029-selections-and-codes', breaking: true, migration: selectionsAndCodes },
  { name: '0030-times-of-assignments', breaking: false, migration: timesOfAssignments },
  { name: '0031-order-of-statuses', breaking: false, migration: orderOfStatuses },
];
