// Opens the stack: where its state is stored, what encrypts its secrets, and what it contains.
import { LocalWorkspace, PulumiCommand, Stack, StackNotFoundError } from '@pulumi/pulumi/automation/index.js';
import { z } from 'zod';
import type { EngineCloud, EngineState, WorkspaceSettings } from '../messages.ts';
import { resourceName } from '../reduce-event.ts';

export type OpenStack = {
  readonly stack: Stack;
  readonly readState: () => Promise<EngineState>;
  /** Pulumi's names of these machines, as far as the last state that was read has them. */
  readonly machineUrns: (hostnames: readonly string[]) => string[];
  readonly cloud: EngineCloud;
};

const PASSPHRASE = 'passphrase';

/** Null if there is no such stack and `create` is false. */
export async function openStack(
  settings: WorkspaceSettings,
  create: boolean,
  signal: AbortSignal,
): Promise<OpenStack | null> {
  const workspace = await openWorkspace(settings);
  signal.throwIfAborted();
  try {
    const stack = create
      ? await Stack.createOrSelect(settings.stack, workspace)
      : await Stack.select(settings.stack, workspace);
    const { cloud } = settings;
    let resources: readonly Exported[] = [];
    return {
      stack,
      cloud,
      readState: async () => {
        const { deployment } = await stack.exportStack();
        const read = exported.parse(deployment ?? {});
        resources = read.resources ?? [];
        return stateOf(read, cloud.machineType);
      },
      machineUrns: (hostnames) =>
        resources.flatMap(({ urn, type }) =>
          type === cloud.machineType && hostnames.includes(resourceName(urn)) ? [urn] : [],
        ),
    };
  } catch (error) {
    if (error instanceof StackNotFoundError) return null;
    throw error;
  }
}

async function openWorkspace(settings: WorkspaceSettings): Promise<LocalWorkspace> {
  const { cliRoot, workDir, pulumiHome, project, backendUrl, secretsProvider } = settings;
  const command = await PulumiCommand.get(cliRoot === null ? {} : { root: cliRoot });
  const stackName = settings.stack.slice(settings.stack.lastIndexOf('/') + 1);
  return LocalWorkspace.create({
    workDir,
    pulumiHome,
    pulumiCommand: refuseCancelled(command),
    program: () => Promise.resolve({}),
    projectSettings: { name: project, runtime: 'nodejs', backend: { url: backendUrl } },
    ...(secretsProvider !== PASSPHRASE && {
      secretsProvider,
      stackSettings: { [stackName]: { secretsProvider } },
    }),
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

const exported = z.object({
  resources: z.array(z.object({ urn: z.string(), type: z.string(), id: z.string().optional() })).optional(),
  pending_operations: z.array(z.object({ resource: z.object({ urn: z.string() }) })).optional(),
});

type Exported = NonNullable<z.output<typeof exported>['resources']>[number];

/** Only names and ids leave this process: the export contains the secrets in plain text. */
function stateOf(
  { resources = [], pending_operations: pending = [] }: z.output<typeof exported>,
  machineType: string,
): EngineState {
  const isMachine = ({ type, id }: Exported) => type === machineType && id !== undefined;
  const machines = resources.filter(isMachine);
  return {
    machines: machines.map(({ urn, id = '' }) => ({ hostname: resourceName(urn), instanceId: id })),
    others: resources.filter((entry) => !isMachine(entry)).map(({ type, id = '' }) => ({ type, id })),
    pending: pending.map(({ resource }) => resource.urn),
  };
}
