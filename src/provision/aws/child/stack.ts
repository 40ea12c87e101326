// The stack of the fleet: where its state is, what protects its secrets, and what is in it.
import { LocalWorkspace, Stack, StackNotFoundError } from '@pulumi/pulumi/automation/index.js';
import { z } from 'zod';
import type { EnginePlace, EngineState } from '../engine/messages.ts';
import { getCommand } from './command.ts';

export type OpenStack = {
  readonly stack: Stack;
  readonly readState: () => Promise<EngineState>;
};

const MACHINE_TYPE = 'aws:ec2/instance:Instance';
const PASSPHRASE = 'passphrase';

/** Null where there is no such stack and none is to be made. */
export async function openStack(
  place: EnginePlace,
  create: boolean,
  asked: AbortSignal,
): Promise<OpenStack | null> {
  const workspace = await openWorkspace(place);
  asked.throwIfAborted();
  try {
    const stack = create
      ? await Stack.createOrSelect(place.stack, workspace)
      : await Stack.select(place.stack, workspace);
    return { stack, readState: async () => readState(await stack.exportStack()) };
  } catch (error) {
    if (error instanceof StackNotFoundError) return null;
    throw error;
  }
}

async function openWorkspace(place: EnginePlace): Promise<LocalWorkspace> {
  const { workDir, pulumiHome, project, backendUrl, secretsProvider, passphrase, region } = place;
  const byKey = secretsProvider !== PASSPHRASE;
  return LocalWorkspace.create({
    workDir,
    pulumiHome,
    pulumiCommand: await getCommand(place.cliRoot),
    program: () => Promise.resolve({}),
    projectSettings: { name: project, runtime: 'nodejs', backend: { url: backendUrl } },
    ...(byKey && { secretsProvider, stackSettings: { [stackFile(place.stack)]: { secretsProvider } } }),
    envVars: {
      PULUMI_CONFIG_PASSPHRASE: passphrase ?? '',
      PULUMI_SKIP_UPDATE_CHECK: 'true',
      // What is missing is said before a run; nothing is downloaded in the middle of one.
      PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
      AWS_REGION: region,
    },
  });
}

function stackFile(qualified: string): string {
  return qualified.slice(qualified.lastIndexOf('/') + 1);
}

const exported = z.object({
  resources: z.array(z.object({ urn: z.string(), type: z.string(), id: z.string().optional() })).optional(),
  pending_operations: z.array(z.object({ resource: z.object({ urn: z.string() }) })).optional(),
});

/** Only names and ids leave this process: the export has the secrets in the clear. */
function readState({ deployment }: { deployment?: unknown }): EngineState {
  const { resources = [], pending_operations: pending = [] } = exported.parse(deployment ?? {});
  const isMachine = ({ type, id }: (typeof resources)[number]) => type === MACHINE_TYPE && id !== undefined;
  const machines = resources.filter(isMachine);
  return {
    machines: machines.map(({ urn, id = '' }) => ({ hostname: nameOf(urn), instanceId: id })),
    others: resources.filter((resource) => !isMachine(resource)).map(({ type, id = '' }) => ({ type, id })),
    pending: pending.map(({ resource }) => resource.urn),
  };
}

function nameOf(urn: string): string {
  return urn.slice(urn.lastIndexOf('::') + 2);
}
