// A launch of local VMs: each gets its folder and is brought up; one that does not come up is removed again.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeSshKeyPair } from '../../ssh/key-pair.ts';
import { fail, succeed } from '../../result.ts';
import type { CreatedVm, LaunchSpec, ProvisionReport, ProvisionResult } from '../provider.ts';
import type { Fleet } from './fleet.ts';
import { createGate } from './gate.ts';
import { makeMachineFolder, removeMachineFolder } from './machine-folder.ts';
import { readMachineFile, writeMachineFile, type MachineFile } from './machine-file.ts';
import type { CameUp } from './machine-process.ts';
import { isHostname, machinePlaces, type LocalPlaces } from './places.ts';
import { machineReach } from './reach.ts';

export type Launch = {
  readonly places: LocalPlaces;
  readonly fleet: Fleet;
  readonly settings: () => Pick<MachineFile, 'allocatorUrl' | 'software' | 'sshUser' | 'authorizedKey'>;
  /** So many machines are made at once. */
  readonly atOnce: number;
  readonly report: ProvisionReport;
  readonly signal: AbortSignal;
  readonly force: AbortSignal;
};

type Machine = LaunchSpec['vms'][number];
type Outcome = { readonly kind: 'made' | 'cancelled' } | { readonly kind: 'failed'; readonly reason: string };

const CANCELLED: ProvisionResult = fail({
  code: 'cancelled',
  message: 'The launch was cancelled.',
  remedy: 'Machines that were made before that are kept; destroy them if they are not wanted.',
});

/** Makes and starts these machines. Rejects only where a report does, or on a bug, and then when all have settled. */
export async function launchMachines(launch: Launch, spec: LaunchSpec): Promise<ProvisionResult> {
  const { report } = launch;
  report.event({
    level: 'info',
    text: `Starting ${count(spec.vms.length)} as processes of this computer.`,
  });
  // So many at once as can start at once: then a machine's making time is its own, not that of the queue before it.
  const turns = createGate(launch.atOnce);
  const settled = await Promise.allSettled(
    spec.vms.map((machine) => turns.pass(() => launchOne(launch, machine, spec.operationId))),
  );
  const outcomes = settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
  if (outcomes.some(({ kind }) => kind === 'cancelled')) return CANCELLED;
  const reasons = outcomes.flatMap((outcome) => (outcome.kind === 'failed' ? [outcome.reason] : []));
  if (reasons.length === 0) return succeed();
  return fail({
    code: 'program',
    message: `${reasons.length} of ${count(outcomes.length)} could not be started: ${reasons[0] ?? ''}`,
    remedy: 'Mend what it says and launch the missing machines again; those that were made are kept.',
  });
}

async function launchOne(launch: Launch, machine: Machine, operationId: string): Promise<Outcome> {
  const { fleet, places, report, signal, force } = launch;
  const { hostname } = machine;
  if (signal.aborted) return { kind: 'cancelled' };
  const begunAt = performance.now();
  const folderFault = await prepareFolder(launch, machine, operationId);
  if (folderFault !== undefined) return undo(launch, hostname, folderFault);
  // What has begun is finished, which takes a moment; only force undoes it.
  const up = await orForced(fleet.bringUp(hostname), force);
  if (force.aborted && !up.ok) {
    await undo(launch, hostname, 'The launch was cancelled before the machine was up.');
    return { kind: 'cancelled' };
  }
  if (!up.ok) return undo(launch, hostname, await explain(places, hostname, up.reason));
  await report.created(hostname, await recordMade(places, hostname, (performance.now() - begunAt) / 1000));
  return { kind: 'made' };
}

async function undo(launch: Launch, hostname: string, reason: string): Promise<Outcome> {
  const { fleet, places, report, force } = launch;
  await fleet.end([hostname], force);
  await removeMachineFolder(places, hostname);
  await report.failed(hostname, reason);
  return { kind: 'failed', reason };
}

/** Makes its folder, or says in a sentence why it cannot be made. */
async function prepareFolder(
  launch: Launch,
  machine: Machine,
  operationId: string,
): Promise<string | undefined> {
  if (!isHostname(machine.hostname)) throw new Error(`not a hostname: ${machine.hostname}`);
  try {
    await settle(launch, machine, operationId);
    return undefined;
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return `Its folder could not be made: ${error.message}.`;
  }
}

/** Its folder, new or as it is there already; a machine that runs with another token is started anew with this one. */
async function settle(launch: Launch, { hostname, token }: Machine, operationId: string): Promise<void> {
  const { fleet, places, settings } = launch;
  const { machineFile } = machinePlaces(join(places.root, hostname));
  const known = await readMachineFile(machineFile);
  if (known?.token === token && fleet.isKept(hostname)) return;
  await fleet.end([hostname]);
  if (known !== undefined) {
    await writeMachineFile(machineFile, { ...known, ...settings(), token, operationId });
    return;
  }
  await removeMachineFolder(places, hostname);
  await makeMachineFolder(places, {
    version: 1,
    hostname,
    token,
    operationId,
    ...settings(),
    sshPort: null,
    sshHostKey: makeSshKeyPair().privateKey,
    provisioningSeconds: null,
  });
}

/** Notes how long it took, unless it is known from its first launch. */
async function recordMade(places: LocalPlaces, hostname: string, seconds: number): Promise<CreatedVm> {
  const { machineFile } = machinePlaces(join(places.root, hostname));
  const known = await readMachineFile(machineFile);
  if (known === undefined) throw new Error(`${machineFile} vanished while its machine was made`);
  const provisioningSeconds = known.provisioningSeconds ?? seconds;
  if (known.provisioningSeconds === null)
    await writeMachineFile(machineFile, { ...known, provisioningSeconds });
  return { ...machineReach(known), provisioningSeconds };
}

async function orForced(up: Promise<CameUp>, force: AbortSignal): Promise<CameUp> {
  const forced = Promise.withResolvers<CameUp>();
  const onForce = (): void => forced.resolve({ ok: false, reason: 'It was not waited for.' });
  force.addEventListener('abort', onForce);
  if (force.aborted) onForce();
  return Promise.race([up, forced.promise]).finally(() => force.removeEventListener('abort', onForce));
}

const LAST_WORDS_CHARACTERS = 500;

/** The reason, with what the machine said last. */
async function explain(places: LocalPlaces, hostname: string, reason: string): Promise<string> {
  const { log } = machinePlaces(join(places.root, hostname));
  const said = (await readFile(log, 'utf8').catch(() => '')).trim().slice(-LAST_WORDS_CHARACTERS);
  return said === '' ? reason : `${reason} It said last: ${said}`;
}

function count(machines: number): string {
  return machines === 1 ? '1 machine' : `${machines} machines`;
}
