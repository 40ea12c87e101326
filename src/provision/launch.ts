// A launch: names are reserved, rows are born before a machine can report, the provider makes what it can. What was
// made stays; the rows of what was not are removed.
import { insertMachines, takenHostnames } from '../db/fleet.ts';
import { planOperationVms, finishOperationVms } from '../db/operation-vms.ts';
import { nextHostnames, type Deployment } from '../vms/hostnames.ts';
import { machines as machinesWord } from '../vms/operation.ts';
import { hashToken, makeVmToken } from '../vms/token.ts';
import { awaitCanary, type CanaryOptions } from './canary.ts';
import { fail } from '../result.ts';
import type { LaunchSpec, ProvisionFailureCode, ProvisionResult } from './provider.ts';
import { createReport, type RunReport } from './report.ts';
import { callProvider, type Outcome, type Run } from './run.ts';
import { settle } from './settle.ts';

export type LaunchOptions = {
  readonly deployment: Deployment;
  readonly randomBytes: (count: number) => Buffer;
  readonly canary: CanaryOptions;
};

/** Another launch or a registration may take names meanwhile: so often others are tried. */
const NAMING_ATTEMPTS = 5;

export async function runLaunch(run: Run, options: LaunchOptions): Promise<Outcome> {
  const { operation, progress } = run;
  const asked = operation.numVms ?? 0;
  const { above } = options.canary;
  const goesAhead = above !== null && asked > above && asked > 1;
  progress.add({ total: asked });
  const first = await makeSome(run, options, goesAhead ? 1 : asked);
  if (run.control.reason() === 'lost') return null;
  if (!goesAhead || !first.result.ok || first.made.size === 0)
    return endLaunch(run, [first], first.result, asked);
  const [hostname = ''] = first.names;
  const stopped = await awaitCanary(run, hostname, asked - 1, options.canary);
  if (isLost(run)) return null;
  if (stopped) return endLaunch(run, [first], stoppedBy(stopped), asked);
  const rest = await makeSome(run, options, asked - 1);
  if (isLost(run)) return null;
  return endLaunch(run, [first, rest], rest.result, asked);
}

/** Asked anew: it may have changed while something was waited for. */
function isLost({ control }: Run): boolean {
  return control.reason() === 'lost';
}

type Some = {
  readonly names: readonly string[];
  readonly made: RunReport['made'];
  readonly reporting: RunReport;
  readonly result: ProvisionResult;
};

async function makeSome(run: Run, options: LaunchOptions, count: number): Promise<Some> {
  const { operation, provider, control, tell } = run;
  const machines = await reserve(run, options, count);
  const names = machines.map(({ hostname }) => hostname);
  await planOperationVms(run.db, operation.id, names);
  tell({ level: 'info', text: `Launching ${machinesWord(names.length)}: ${names.join(', ')}.` });
  const reporting = createReport(run, new Set(names));
  const spec = { operationId: operation.id, shutdownAt: operation.shutdownAt, vms: machines };
  const result = await callProvider(run, () =>
    provider.launch(spec, reporting.report, control.asked, control.forced),
  );
  return { names, made: reporting.made, reporting, result };
}

async function endLaunch(
  run: Run,
  parts: readonly Some[],
  result: ProvisionResult,
  asked: number,
): Promise<Outcome> {
  const kept = await settleLaunch(run, parts);
  const made = parts.reduce((sum, part) => sum + part.made.size, 0);
  return judge(result, kept ?? made, asked);
}

/** Of the kinds that a provider has too. */
function stoppedBy({ kind, problem, remedy }: NonNullable<Outcome>): ProvisionResult {
  const code: ProvisionFailureCode = kind === 'interrupted' || kind === 'left_over' ? 'engine' : kind;
  return fail({ code, message: problem, remedy });
}

/** Makes rows and tokens; only the tokens' hashes are stored. */
async function reserve(
  { db, operation, provider }: Run,
  { deployment, randomBytes }: LaunchOptions,
  count: number,
): Promise<LaunchSpec['vms']> {
  const listed = (await provider.list()).map(({ hostname }) => hostname);
  const reserved: { hostname: string; token: string }[] = [];
  for (let attempt = 0; attempt < NAMING_ATTEMPTS && reserved.length < count; attempt += 1) {
    const taken = new Set([...(await takenHostnames(db)), ...listed]);
    const wanted = nextHostnames(deployment, count - reserved.length, taken).map((hostname) => ({
      hostname,
      token: makeVmToken(randomBytes),
    }));
    const rows = wanted.map(({ hostname, token }) => ({ hostname, tokenHash: hashToken(token) }));
    const launch = { operationId: operation.id, provider: provider.name, shutdownAt: operation.shutdownAt };
    const free = new Set(await insertMachines(db, launch, rows));
    reserved.push(...wanted.filter(({ hostname }) => free.has(hostname)));
  }
  if (reserved.length < count) throw new Error('no free hostnames were found');
  return reserved;
}

/** How many machines there are; null where the provider could not be asked. */
async function settleLaunch(run: Run, parts: readonly Some[]): Promise<number | null> {
  const { db, provider, operation, tell, progress, onError } = run;
  try {
    for (const { reporting } of parts) await reporting.writeRest();
    const { kept, missing } = await settle(
      { db, provider, tell, signal: run.control.forced },
      {
        row: ({ operationId }) => operationId === operation.id,
        orphan: (operationId) => operationId === operation.id,
      },
    );
    await finishOperationVms(db, operation.id, kept, { state: 'created' });
    const names = parts.flatMap((part) => part.names);
    await finishOperationVms(db, operation.id, names, { state: 'failed', detail: 'It was not made.' });
    progress.add({ done: kept.length - progress.get().done });
    const untold = missing.filter(
      (hostname) => !parts.some(({ reporting }) => reporting.failed.has(hostname)),
    );
    progress.add({ failed: untold.length });
    return kept.length;
  } catch (error) {
    onError(error, 'settling a launch');
    run.unsettled();
    tell({ level: 'warning', text: 'Whether all machines exist could not be checked; see the machines.' });
    return null;
  }
}

/** @param there how many of the machines asked for exist */
function judge(result: ProvisionResult, there: number, asked: number): Outcome {
  if (result.ok && there >= asked) return null;
  const told = sayMade(there, asked);
  if (result.ok)
    return {
      kind: 'engine',
      problem: told,
      remedy: 'The output says why, machine by machine. Launch as many as are missing again.',
    };
  // Why it was cancelled is said by whoever did that.
  const { code, message, remedy } = result.failure;
  return { kind: code, problem: code === 'cancelled' ? told : `${message} ${told}`, remedy };
}

function sayMade(there: number, asked: number): string {
  if (there === 0) return 'None was made.';
  return `${there} of ${machinesWord(asked)} ${there === 1 ? 'was made, and stays' : 'were made, and stay'}.`;
}
