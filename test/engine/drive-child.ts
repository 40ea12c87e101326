// Runs the Automation API once. It has its own process because a failed run leaves listeners and pending promises behind.
// The task is the argument; events and the result are sent to the parent as messages; any message from the parent aborts.
import './without-unused-packages.ts';
import { mkdtemp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Eip } from '@pulumi/aws/ec2/eip.js';
import { EipAssociation } from '@pulumi/aws/ec2/eipAssociation.js';
import { Instance } from '@pulumi/aws/ec2/instance.js';
import { SecurityGroup } from '@pulumi/aws/ec2/securityGroup.js';
import { LocalWorkspace, PulumiCommand, type Stack } from '@pulumi/pulumi/automation/index.js';
import { secret, type Output } from '@pulumi/pulumi/index.js';
import type { DriveMessage, DriveTask } from './drive.ts';

const task = JSON.parse(process.argv[2] ?? '') as DriveTask;
const abort = new AbortController();
process.on('message', () => abort.abort());
const send = (message: DriveMessage) => process.send?.(message);

/** The program of the recordings (one machine per name), and what the tests of the double need in addition. */
function program(): Promise<Record<string, unknown>> {
  const { throws, machines, group, secrets = {}, replaced } = task.program;
  if (throws !== undefined) throw new Error(throws);
  const outputs: Record<string, unknown> = Object.fromEntries(
    Object.entries(secrets).map(([name, value]) => [name, secret(value)]),
  );
  const sg = group === undefined ? null : new SecurityGroup(group, { description: 'of a test' });
  for (const { name, tags, ignoreChanges, userData } of machines) {
    const instance: { publicIp: Output<string> } = new Instance(
      name,
      {
        ...{ ami: 'ami-1', instanceType: 't3.micro', tags: { Name: name, ...tags } },
        ...(userData === undefined ? {} : { userData: secret(userData) }),
        ...(sg ? { vpcSecurityGroupIds: [sg.id] } : {}),
      },
      ignoreChanges ? { ignoreChanges } : {},
    );
    outputs[name] = instance.publicIp;
  }
  if (replaced) createReplaced(replaced);
  return Promise.resolve(outputs);
}

function createReplaced({ name, userData }: NonNullable<DriveTask['program']['replaced']>): void {
  const address = new Eip('address', { domain: 'vpc', tags: { Name: name } });
  const instance = new Instance(
    name,
    {
      ...{ ami: 'ami-1', instanceType: 't3.micro', tags: { Name: name } },
      ...{ userData, userDataReplaceOnChange: true },
    },
    { deleteBeforeReplace: true },
  );
  new EipAssociation('association', { instanceId: instance.id, allocationId: address.id });
}

async function select(): Promise<Stack> {
  const pulumiCommand = await PulumiCommand.get({ root: task.pulumiRoot });
  return LocalWorkspace.createOrSelectStack(
    { stackName: 'organization/lablink/dev', projectName: 'lablink', program },
    {
      pulumiCommand,
      // In the lab's folder: the API would not remove a folder that it created itself.
      workDir: await mkdtemp(join(dirname(task.pulumiHome), 'work-')),
      pulumiHome: task.pulumiHome,
      envVars: task.env,
      projectSettings: { name: 'lablink', runtime: 'nodejs', backend: { url: task.backendUrl } },
    },
  );
}

async function run(): Promise<void> {
  const stack = await select();
  const onEvent = (event: object) => send({ event: event as Record<string, unknown> });
  const signal = abort.signal;
  switch (task.action) {
    case 'up': {
      const { outputs, summary } = await stack.up({ onEvent, signal });
      send({ done: { outputs, summary: { ...summary } } });
      return;
    }
    case 'destroy':
      await stack.destroy({ onEvent, signal });
      break;
    case 'refresh':
      await stack.refresh({
        onEvent,
        signal,
        ...(task.clearPendingCreates ? { clearPendingCreates: true } : {}),
      });
      break;
    case 'cancel':
      await stack.cancel();
      break;
    case 'export':
      send({ done: { exported: await stack.exportStack() } });
      return;
  }
  send({ done: {} });
}

try {
  await run();
} catch (error) {
  const { constructor, message } = error as Error;
  send({ failed: { name: constructor.name, message } });
}
process.exit(0);
