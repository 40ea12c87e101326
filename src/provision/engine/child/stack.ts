// Opens the stack: where its state is stored, what encrypts its secrets, and what it contains.
import { LocalWorkspace, PulumiCommand, Stack, StackNotFoundError } from '@pulumi/pulumi/automation/index.js';
import type { EngineCloud, EngineState, WorkspaceSettings } from '../messages.ts';
import { resourceName } from '../reduce-event.ts';
import { EMPTY_STATE, machineUrnsOf, readDeployment } from '../state.ts';

export type OpenStack = {
  readonly stack: Stack;
  readonly cloud: EngineCloud;
  /** As it was when the stack was opened. */
  readonly state: EngineState;
  readonly readState: () => Promise<EngineState>;
  /** Pulumi's names of these machines, as far as the last state that was read has them. */
  readonly machineUrns: (hostnames: readonly string[]) => string[];
};

const PASSPHRASE = 'passphrase';

/** Null if there is no such stack. */
export async function openStack(settings: WorkspaceSettings, signal: AbortSignal): Promise<OpenStack | null> {
  const workspace = await openWorkspace(settings);
  signal.throwIfAborted();
  const reader = stateReader(workspace, settings);
  try {
    const state = await reader.readState();
    // The state shows that the stack exists, and every command names it: the CLI need not select it.
    workspace.selectStack = () => Promise.resolve();
    const stack = withoutReading(await Stack.select(settings.stack, workspace));
    return { stack, cloud: settings.cloud, state, ...reader };
  } catch (error) {
    if (error instanceof StackNotFoundError) return null;
    throw error;
  }
}

export async function createStack(settings: WorkspaceSettings): Promise<OpenStack> {
  const workspace = await openWorkspace(settings);
  const stack = withoutReading(await Stack.create(settings.stack, workspace));
  const reader = stateReader(workspace, settings);
  return { stack, cloud: settings.cloud, state: EMPTY_STATE, ...reader };
}

/** After each run, the Automation API reads outputs and history, which nobody uses: up to three starts of the CLI. */
function withoutReading(stack: Stack): Stack {
  stack.outputs = () => Promise.resolve({});
  stack.info = () => Promise.resolve(undefined);
  return stack;
}

/** Only names and ids leave this process: the export contains the secrets in plain text. */
function stateReader(
  workspace: LocalWorkspace,
  { stack, cloud: { machineType } }: WorkspaceSettings,
): Pick<OpenStack, 'readState' | 'machineUrns'> {
  let urns: readonly string[] = [];
  return {
    readState: async () => {
      const exported = await workspace.exportStack(stack);
      const deployment: unknown = exported.deployment;
      urns = machineUrnsOf(deployment, machineType);
      return readDeployment(deployment, machineType);
    },
    machineUrns: (hostnames) => urns.filter((urn) => hostnames.includes(resourceName(urn))),
  };
}

async function openWorkspace(settings: WorkspaceSettings): Promise<LocalWorkspace> {
  const { cliRoot, workDir, pulumiHome, project, backendUrl, secretsProvider, cloud } = settings;
  const isPassphrase = secretsProvider === PASSPHRASE;
  const command = await PulumiCommand.get(cliRoot === null ? {} : { root: cliRoot });
  const stackName = settings.stack.slice(settings.stack.lastIndexOf('/') + 1);
  return LocalWorkspace.create({
    workDir,
    pulumiHome,
    pulumiCommand: refuseCancelled(command),
    program: () => Promise.resolve({}),
    projectSettings: { name: project, runtime: 'nodejs', backend: { url: backendUrl } },
    ...(isPassphrase ? {} : { secretsProvider }),
    stackSettings: {
      [stackName]: { config: { ...cloud.config }, ...(isPassphrase ? {} : { secretsProvider }) },
    },
    envVars: {
      PULUMI_CONFIG_PASSPHRASE: settings.passphrase ?? '',
      PULUMI_SKIP_UPDATE_CHECK: 'true',
      // A missing plugin is reported before a run; nothing is downloaded during one.
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
      ...settings.env,
    },
  });
}

/** PulumiCommand.run, whose last argument is the signal, starts the CLI even if the signal is aborted already. */
function refuseCancelled(command: PulumiCommand): PulumiCommand {
  const run: unknown = Reflect.get(command, 'run');
  if (typeof run !== 'function') throw new Error('The Automation API has no PulumiCommand.run any more.');
  const value = async (...args: unknown[]): Promise<unknown> => {
    const signal = args.at(-1);
    if (signal instanceof AbortSignal && signal.aborted) throw new Error('update canceled before it began');
    const result: unknown = await Reflect.apply(run, command, args);
    return result;
  };
  Object.defineProperty(command, 'run', { value });
  return command;
}
