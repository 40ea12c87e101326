// Executes the server's commands with the Automation API, one after the other, on one stack.
import { setTimeout as delay } from 'node:timers/promises';
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import type { EngineEvent } from '@pulumi/pulumi/automation/events.js';
import { LocalWorkspace, PulumiCommand, type PulumiFn } from '@pulumi/pulumi/automation/index.js';
import type {
  CommandResult,
  EngineCloud,
  EngineCommand,
  EngineFact,
  WorkspaceSettings,
} from '../messages.ts';
import { createEventReducer } from '../reduce-event.ts';
import { createStack, openStack, type OpenStack } from './stack.ts';

type OnFact = (fact: EngineFact) => void;

const OUTPUT_LIMIT = 40_000;
/** Without a child process for so many checks, Pulumi has died: something else may hold its pipes open. */
const DEAD_AFTER_CHECKS = 4;
const CHECK_MS = 1_000;

/** The stack is null while there is none; the first `up` creates it. */
let opened: { readonly workspace: WorkspaceSettings; stack: OpenStack | null } | null = null;

/** Throws the errors of Pulumi and the API; their message is everything that was printed. */
export async function execute(
  command: EngineCommand,
  signal: AbortSignal,
  onFact: OnFact,
): Promise<CommandResult> {
  if (command.kind === 'install') return install(command);
  if (command.kind === 'open') {
    const { workspace, preload } = command;
    const opening = openStack(workspace, signal);
    // The program takes a moment to load; a failure shows up again when it is needed.
    if (preload) loadProgram(workspace.cloud).catch(() => undefined);
    const stack = await opening;
    opened = { workspace, stack };
    return { kind: 'done', state: stack?.state ?? null };
  }
  if (opened === null) throw new Error('No stack was opened.');
  opened.stack ??= command.kind === 'up' ? await createStack(opened.workspace) : null;
  if (opened.stack === null) throw new Error('There is no stack.');
  const watching = new AbortController();
  try {
    return await Promise.race([run(opened.stack, command, signal, onFact), engineDied(watching.signal)]);
  } finally {
    watching.abort();
  }
}

type StackCommand = Exclude<EngineCommand, { kind: 'open' } | { kind: 'install' }>;

async function run(
  { stack, readState, machineUrns, cloud }: OpenStack,
  command: StackCommand,
  signal: AbortSignal,
  onFact: OnFact,
): Promise<CommandResult> {
  if (command.kind === 'unlock') {
    await stack.cancel();
    return { kind: 'done', state: await readState() };
  }
  const hostnames = command.kind === 'destroy' ? command.hostnames : undefined;
  const target = hostnames && machineUrns(hostnames);
  // Without a target, Pulumi would destroy everything.
  if (target?.length === 0) return { kind: 'done', state: await readState() };
  const reduce = createEventReducer(cloud.machineType);
  let [hasBegun, hasEnded, hasSucceeded] = [false, false, false];
  const onEvent = (event: EngineEvent): void => {
    hasBegun = true;
    for (const fact of reduce(event, performance.now())) {
      if (fact.kind === 'summary') [hasEnded, hasSucceeded] = [true, fact.succeeded];
      onFact(fact);
    }
  };
  const options = { onEvent, signal, showSecrets: false, parallel: cloud.parallel };
  const program = command.kind === 'up' ? (await loadProgram(cloud))(command.spec) : null;
  signal.throwIfAborted();
  try {
    if (program) await stack.up({ ...options, program });
    else if (command.kind === 'destroy') await stack.destroy({ ...options, ...(target && { target }) });
    else await stack.refresh({ ...options, clearPendingCreates: true });
  } catch (error) {
    return { kind: 'failed', output: outputOf(error), engineDied: hasBegun && !hasEnded };
  }
  // Pulumi can exit with status 0 in the middle of its work.
  if (!hasSucceeded) throw new Error('Pulumi ended without reporting success.');
  return { kind: 'done', state: await readState() };
}

/** Everything that was printed, or its end. */
export function outputOf(error: unknown): string {
  const output = error instanceof Error ? error.message : String(error);
  return output.slice(-OUTPUT_LIMIT);
}

/** A pure function of its spec. Loaded late, because it loads Pulumi's package for the cloud. */
async function loadProgram({ program: url }: EngineCloud): Promise<(spec: unknown) => PulumiFn> {
  const loaded: unknown = await import(url);
  const isProgram = (value: unknown): value is (spec: unknown) => PulumiFn => typeof value === 'function';
  const program: unknown = Reflect.get(Object(loaded), 'program');
  if (!isProgram(program)) throw new Error(`${url} exports no program.`);
  return program;
}

/** Fails when this process has no child process although Pulumi should be running. Linux only; elsewhere, force ends it. */
async function engineDied(signal: AbortSignal): Promise<CommandResult> {
  let checks = 0;
  while (checks < DEAD_AFTER_CHECKS) {
    await delay(CHECK_MS, undefined, { signal });
    checks = (await hasChildren()) ? 0 : checks + 1;
  }
  return { kind: 'failed', output: 'The Pulumi process died.', engineDied: true };
}

async function hasChildren(): Promise<boolean> {
  const children = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8').catch(() => 'unknown');
  return children.trim() !== '';
}

async function install({
  workspace: { cliRoot, workDir, pulumiHome, cloud },
  pluginVersion,
}: Extract<EngineCommand, { kind: 'install' }>): Promise<CommandResult> {
  if (cliRoot === null) throw new Error('A folder for the CLI is required.');
  const pulumiCommand = await PulumiCommand.install({ root: cliRoot });
  const workspace = await LocalWorkspace.create({ workDir, pulumiHome, pulumiCommand });
  await workspace.installPlugin(cloud.name, `v${pluginVersion}`);
  return { kind: 'done', state: null };
}
