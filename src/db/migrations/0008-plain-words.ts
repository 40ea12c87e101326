// Plain names: tables, columns and stored words are called what the API and the code call them.
// Frozen once released: a migration never imports the application, and is never edited afterwards.
import { sql, type Kysely } from 'kysely';

const renamedActions = [
  ['let-in', 'allow-browser'],
  ['give-another', 'reassign'],
  ['extend', 'reschedule-shutdown'],
  ['end', 'shutdown'],
];

const statements = [
  ...renamedActions.map(([from, to]) => `update audit_events set what = '${to}' where what = '${from}'`),

  `alter table assignments rename let_in_until to browser_allowed_until`,
  `alter table assignments rename moved_at to reassigned_at`,
  `comment on column assignments.browser_allowed_until is 'until this time, the next browser needs no PIN'`,
  `comment on column assignments.reassigned_at is 'when the assignment moved to this VM, if its command was delivered to the previous VM; null after a new command'`,
  `comment on column assignments.browsers is 'ids of the browsers that may open the assignment'`,
  `comment on column assignments.command_number is 'counts the commands; delivered_at and outcome belong to the current one'`,
  `comment on column assignments.revision is 'from the same sequence as vms.revision'`,

  `alter table vms rename ends_at to shutdown_at`,
  `alter table vms rename wanted_ends_at to requested_shutdown_at`,
  `alter table vms rename end_problem to shutdown_error`,
  `alter table vms rename end_told_at to shutdown_recorded_at`,
  `alter index vms_by_end rename to vms_by_shutdown`,
  `comment on column vms.assignment_id is 'null = nobody has the VM; a claim changes this column'`,
  `comment on column vms.revision is 'increases with every change; live pages read the rows with a newer revision'`,
  `comment on column vms.operation_id is 'the launch that created the VM'`,
  `comment on column vms.status_before_destroy is 'the status to restore if the destroy does not remove the VM'`,
  `comment on column vms.provider_id is 'the id of the VM at its provider, such as an EC2 instance id'`,
  `comment on column vms.shutdown_at is 'the shutdown time that is set on the VM itself; null = none'`,
  `comment on column vms.requested_shutdown_at is 'a new shutdown time that is not set on the VM yet; null = none'`,
  `comment on column vms.shutdown_error is 'why the new shutdown time could not be set'`,
  `comment on column vms.shutdown_recorded_at is 'when the audit recorded that the shutdown time had come'`,
  `comment on column vms.silent_since is 'set when the VM is unreachable because it stopped reporting; its next report makes it running again'`,

  `alter table operations rename ends_at to shutdown_at`,
  `comment on column operations.number is 'the order of the requests'`,
  `comment on column operations.num_vms is 'how many VMs a launch was asked for'`,
  `comment on column operations.shutdown_at is 'when the VMs of a launch shut down; null = never'`,
  `comment on column operations.hostnames is 'the VMs to destroy; null = all'`,
  `comment on column operations.lease_until is 'renewed by the process that runs the operation; an operation whose lease has expired was interrupted'`,

  `alter table operation_machines rename to operation_vms`,
  `alter index operation_machines_pkey rename to operation_vms_pkey`,
  `alter table operation_vms drop constraint operation_machines_state_check`,
  `update operation_vms set state = case state when 'made' then 'created' when 'gone' then 'destroyed' else state end`,
  `alter table operation_vms add check (state in ('waiting', 'created', 'failed', 'destroyed'))`,
  `comment on table operation_vms is 'the result of an operation for each VM; kept after the VM is destroyed'`,

  `alter table machine_hours rename to vm_hours`,
  `alter table vm_hours rename made_at to created_at`,
  `alter table vm_hours rename gone_at to destroyed_at`,
  `alter index machine_hours_pkey rename to vm_hours_pkey`,
  `alter index machine_hours_living rename to vm_hours_existing`,
  `alter index machine_hours_by_operation rename to vm_hours_by_operation`,
  `comment on table vm_hours is 'what costs money: every launched VM, kept after it is destroyed'`,

  `alter table assignment_changes rename what to kind`,
  `create or replace function note_assignment_change() returns trigger language plpgsql as $$
   begin
     if tg_op = 'INSERT' then
       insert into assignment_changes (hostname, kind) values (new.hostname, 'assigned');
     else
       insert into assignment_changes (hostname, kind) values (old.hostname, 'released');
     end if;
     return null;
   end $$`,
  `comment on table assignment_changes is 'append-only, written by triggers; names no people, so that it can outlive the VM'`,

  `comment on table vm_events is 'the statuses of each VM; append-only, the newest 200 are kept'`,
  `comment on table vm_state_samples is 'one row whenever the counts change; it is valid until the next row'`,
  `comment on table vm_presence is 'frequent writes go here, so that they never lock a row that a claim needs'`,
  `comment on column vm_presence.waiting_until is 'the lease of a waiting poll; renewed by the process that holds the poll'`,
  `comment on column vm_presence.confirms is 'whether the agent acknowledges commands'`,
  `comment on column vm_presence.revision is 'from the same sequence as vms.revision; increases when a viewer would see a difference, at most once a minute for the time alone'`,
  `comment on column vm_downloads.downloaded_at is 'the start of the download: later changes may not be included'`,
  `comment on column vm_downloads.fingerprint is 'of the names, sizes and times of the files found then; a different one now means that something changed'`,
  `comment on table tombstones is 'hostnames destroyed within the last hour; a late report does not create a row again'`,
  `comment on column tombstones.token_hash is 'identifies the destroyed VM while it still reports'`,
  `comment on table deployment_identity is 'the random uid that marks the VMs of this deployment'`,
  `comment on table operation_events is 'append-only; the writer locks the operation, so that ids become visible in order'`,
];

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}
