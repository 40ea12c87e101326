// Executes the server's commands with the Automation API, one after the other, on one stack.
import { setTimeout as delay } from 'node:timers/promises';
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import type { EngineEvent } from '@pulumi/pulumi/automation/events.js';
import { LocalWorkspace, PulumiCommand, type PulumiFn } from '@pulumi/pulumi/automation/index.js';
import type { CommandResult, EngineCloud, EngineCommand, EngineFact } from '../messages.ts';
import { createEventReducer } from '../reduce-event.ts';
import { openStack, type OpenStack } from './stack.ts';

type OnFact = (fact: EngineFact) => void;

/** Without a child process for so many checks, Pulumi has died: something else may hold its pipes open. */
const DEAD_AFTER_CHECKS = 4;
const CHECK_MS = 1_000;

let opened: OpenStack | null = null;

/** Throws the errors of Pulumi and the API; their message is everything that was printed. */
export async function execute(
  command: EngineCommand,
  signal: AbortSignal,
  onFact: OnFact,
): Promise<CommandResult> {
  if (command.kind === 'install') return install(command);
  if (command.kind === 'open') {
    opened = await openStack(command.workspace, command.create, signal);
    const reading = opened?.readState();
    // A run that creates the stack needs the program next: load it while the CLI works. A failure shows up there again.
    if (command.create) loadProgram(command.workspace.cloud).catch(() => undefined);
    return { kind: 'done', state: (await reading) ?? null };
  }
  if (opened === null) throw new Error('No stack is open.');
  const watching = new AbortController();
  try {
    return await Promise.race([run(opened, command, signal, onFact), engineDied(watching.signal)]);
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
  const summary = { succeeded: false };
  const onEvent = (event: EngineEvent): void => {
    for (const fact of reduce(event, performance.now())) {
      if (fact.kind === 'summary') summary.succeeded = fact.succeeded;
      onFact(fact);
    }
  };
  const options = { onEvent, signal, showSecrets: false };
  if (command.kind === 'up') {
    const program = await loadProgram(cloud);
    signal.throwIfAborted();
    await stack.up({ ...options, program: program(command.spec) });
  } else if (command.kind === 'destroy') await stack.destroy({ ...options, ...(target && { target }) });
  else await stack.refresh({ ...options, clearPendingCreates: true });
  // Pulumi can exit with status 0 in the middle of its work.
  if (!summary.succeeded) throw new Error('Pulumi ended without reporting success.');
  return { kind: 'done', state: await readState() };
}

/** A pure function of its spec. Loaded late, because it loads Pulumi's package for the cloud. */
async function loadProgram({ program: url }: EngineCloud): Promise<(spec: unknown) => PulumiFn> {
  const loaded: unknown = await import(url);
  const isProgram = (value: unknown): value is (spec: unknown) => PulumiFn => typeof value === 'function';
  const program: unknown = Reflect.get(Object(loaded), 'program');
  if (!isProgram(program)) throw new Error(`${url} exports no program.`);
  return program;
}

/** Throws when this process has no child process although Pulumi should be running. Linux only; elsewhere, force ends it. */
async function engineDied(signal: AbortSignal): Promise<never> {
  let checks = 0;
  while (checks < DEAD_AFTER_CHECKS) {
    await delay(CHECK_MS, undefined, { signal });
    checks = (await hasChildren()) ? 0 : checks + 1;
  }
  throw new Error('The Pulumi process died.');
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
