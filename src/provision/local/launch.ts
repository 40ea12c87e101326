// A launch of local VMs: each gets its folder and is started; the folder of a VM that does not start is removed again.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { untilAborted } from '../../async/abort.ts';
import { fail, succeed } from '../../result.ts';
import { makeSshKeyPair } from '../../ssh/key-pair.ts';
import type { CreatedVm, LaunchSpec, ProvisionReport, ProvisionResult } from '../provider.ts';
import type { Fleet, VmSettings } from './fleet.ts';
import {
  createVmFolder,
  isHostname,
  newVmFile,
  readVmFile,
  removeVmFolder,
  sshAccessOf,
  vmPaths,
  writeVmFile,
  type LocalPaths,
} from './vm-folder.ts';

export type Launch = {
  readonly paths: LocalPaths;
  readonly fleet: Fleet;
  readonly settings: () => VmSettings;
  /** As many VMs as are created at once. */
  readonly atOnce: number;
  readonly report: ProvisionReport;
  readonly signal: AbortSignal;
  readonly force: AbortSignal;
};

type NewVm = LaunchSpec['vms'][number];
type Created =
  { readonly kind: 'created' | 'cancelled' } | { readonly kind: 'failed'; readonly reason: string };

const CANCELLED: ProvisionResult = fail({
  code: 'cancelled',
  message: 'The launch was cancelled.',
  remedy: 'Machines that were created before that stay; destroy them if you do not need them.',
});

/** Rejects only if a report does, or on a bug, and then after all VMs are done. */
export async function launchVms(launch: Launch, spec: LaunchSpec): Promise<ProvisionResult> {
  launch.report.event({
    level: 'info',
    text: `Starting ${count(spec.vms.length)} on this computer.`,
  });
  // As many as can start at once: then the time of a VM does not include waiting for others.
  const limit = pLimit(launch.atOnce);
  const settled = await Promise.allSettled(
    spec.vms.map((vm) => limit(() => launchOne(launch, vm, spec.operationId))),
  );
  const results = settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
  if (results.some(({ kind }) => kind === 'cancelled')) return CANCELLED;
  const reasons = results.flatMap((result) => (result.kind === 'failed' ? [result.reason] : []));
  if (reasons.length === 0) return succeed();
  return fail({
    code: 'program',
    message: `${reasons.length} of ${count(results.length)} could not be started: ${reasons[0] ?? ''}`,
    remedy: 'Repair the cause and launch the missing machines again; the others stay.',
  });
}

async function launchOne(launch: Launch, vm: NewVm, operationId: string): Promise<Created> {
  const { fleet, paths, report, signal, force } = launch;
  const { hostname } = vm;
  if (signal.aborted) return { kind: 'cancelled' };
  const begunAt = performance.now();
  const folderError = await prepareFolder(launch, vm, operationId);
  if (folderError !== undefined) return undo(launch, hostname, folderError);
  // A start that has begun takes only a moment to finish; only `force` undoes it.
  const started = await untilAborted(fleet.start(hostname), force);
  if (started === null || (force.aborted && !started.ok)) {
    await undo(launch, hostname, 'The launch was cancelled before the machine was up.');
    return { kind: 'cancelled' };
  }
  if (!started.ok) return undo(launch, hostname, await withLogTail(paths, hostname, started.failure.message));
  const seconds = (performance.now() - begunAt) / 1000;
  await report.created(hostname, await recordCreated(paths, hostname, seconds));
  return { kind: 'created' };
}

async function undo(launch: Launch, hostname: string, reason: string): Promise<Created> {
  const { fleet, paths, report, force } = launch;
  await fleet.stop([hostname], force);
  await removeVmFolder(paths, hostname);
  await report.failed(hostname, reason);
  return { kind: 'failed', reason };
}

/** Returns why the folder could not be created, as a sentence. */
async function prepareFolder(launch: Launch, vm: NewVm, operationId: string): Promise<string | undefined> {
  if (!isHostname(vm.hostname)) throw new Error(`not a hostname: ${vm.hostname}`);
  try {
    await createOrUpdateFolder(launch, vm, operationId);
    return undefined;
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    return `Its folder could not be created: ${error.message}.`;
  }
}

/** Keeps an existing folder; a VM that runs with another token is stopped, so that it starts with this one. */
async function createOrUpdateFolder(
  { fleet, paths, settings }: Launch,
  { hostname, token }: NewVm,
  operationId: string,
): Promise<void> {
  const { vmFile } = vmPaths(join(paths.root, hostname));
  const known = await readVmFile(vmFile);
  if (known?.token === token && fleet.isSupervised(hostname)) return;
  // A new VM has nothing to stop, and looking for its processes takes longer than its start.
  if (known !== undefined || fleet.isSupervised(hostname)) await fleet.stop([hostname]);
  if (known !== undefined) {
    await writeVmFile(vmFile, { ...known, ...settings(), token, operationId });
    return;
  }
  await removeVmFolder(paths, hostname);
  const sshHostKey = makeSshKeyPair().privateKey;
  await createVmFolder(paths, newVmFile({ hostname, token, operationId, ...settings(), sshHostKey }));
}

/** Stores how long the creation took, unless an earlier launch has. */
async function recordCreated(paths: LocalPaths, hostname: string, seconds: number): Promise<CreatedVm> {
  const { vmFile } = vmPaths(join(paths.root, hostname));
  const known = await readVmFile(vmFile);
  if (known === undefined) throw new Error(`${vmFile} was removed during the launch`);
  const provisioningSeconds = known.provisioningSeconds ?? seconds;
  if (known.provisioningSeconds === null) await writeVmFile(vmFile, { ...known, provisioningSeconds });
  return { ...sshAccessOf(known), provisioningSeconds };
}

const LOG_TAIL_CHARACTERS = 500;

async function withLogTail(paths: LocalPaths, hostname: string, reason: string): Promise<string> {
  const { log } = vmPaths(join(paths.root, hostname));
  const tail = (await readFile(log, 'utf8').catch(() => '')).trim().slice(-LOG_TAIL_CHARACTERS);
  return tail === '' ? reason : `${reason} The end of its log: ${tail}`;
}

function count(vms: number): string {
  return vms === 1 ? '1 machine' : `${vms} machines`;
}
