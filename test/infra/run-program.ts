// Runs the program as the engine does, with Pulumi's own mocks in the place of the engine, and tells what it asked for.
import { output, runtime } from '@pulumi/pulumi';
import { MockMonitor } from '@pulumi/pulumi/runtime/mocks.js';
import type { RegisterResourceRequest } from '@pulumi/pulumi/proto/resource_pb.js';
import { clientVms } from '../../infra/client-vms.ts';
import type { ClientVmsSpec } from '../../infra/spec.ts';

/** A resource as it was registered. */
export type Registered = {
  /** Such as aws:ec2/instance:Instance */
  readonly type: string;
  readonly name: string;
  /** Secrets unpacked. */
  readonly inputs: Readonly<Record<string, unknown>>;
  /** Where in the inputs secrets are: `userDataBase64`, `environment.variables.X`. */
  readonly secrets: readonly string[];
  readonly ignoreChanges: readonly string[];
  readonly deleteBeforeReplace: boolean;
  readonly protect: boolean;
  readonly dependencies: readonly string[];
};

export type ProgramRun = { readonly resources: readonly Registered[]; readonly outputs: unknown };

const STACK = 'pulumi:pulumi:Stack';
/** Pulumi's mark of a value with a meaning, and the one for secrets. */
const SIGNATURE = '4dabf18193072939515e22adb298388d';
const SECRET = '1b47061264138c4ac30d75fd1eb44270';

export function runProgram(spec: ClientVmsSpec): Promise<ProgramRun> {
  return runWithMocks(clientVms(spec));
}

type Created = { readonly id: string; readonly state: Record<string, unknown> };

/** @param create makes the resource; without it, it has its inputs and what programs read of clouds */
export async function runWithMocks(
  program: () => Promise<Record<string, unknown>>,
  create: (type: string, name: string, inputs: Record<string, unknown>) => Promise<Created> = mocked,
): Promise<ProgramRun> {
  const resources: Registered[] = [];
  const monitor = new MockMonitor({
    newResource: ({ type, name, inputs }) =>
      (type === STACK ? mocked : create)(type, name, inputs as Record<string, unknown>),
    call: ({ token }) => {
      throw new Error(`the program asks the cloud: ${token}`);
    },
  });
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = async (request: RegisterResourceRequest, callback) => {
    if (request.getType() !== STACK) resources.push(read(request));
    await register(request, callback);
  };
  runtime.setMockOptions(monitor, 'lablink', 'prod');
  const outputs = await runtime.runInPulumiStack(program);
  const known = await new Promise((resolve) => void output(outputs).apply(resolve));
  await runtime.disconnect();
  return { resources, outputs: known };
}

function mocked(type: string, name: string, inputs: Record<string, unknown>): Promise<Created> {
  return Promise.resolve({ id: `id-of-${name}`, state: stateOf(type, name, inputs) });
}

/** What the cloud would add to the inputs. */
function stateOf(type: string, name: string, inputs: Record<string, unknown>): Record<string, unknown> {
  const state = { ...inputs, arn: `arn:aws:${type.split(':')[1] ?? ''}:::${name}` };
  return type === 'aws:ec2/instance:Instance' || type === 'aws:ec2/eip:Eip'
    ? { ...state, publicIp: '203.0.113.7', privateIp: '10.0.0.7' }
    : state;
}

function read(request: RegisterResourceRequest): Registered {
  const secrets: string[] = [];
  const inputs = unpack(request.getObject()?.toJavaScript() ?? {}, '', secrets) as Record<string, unknown>;
  return {
    type: request.getType(),
    name: request.getName(),
    inputs,
    secrets,
    ignoreChanges: request.getIgnorechangesList(),
    deleteBeforeReplace: request.getDeletebeforereplace(),
    protect: request.getProtect() ?? false,
    dependencies: request.getDependenciesList().map((urn) => urn.split('::').slice(2).join('::')),
  };
}

function unpack(value: unknown, path: string, secrets: string[]): unknown {
  if (Array.isArray(value)) return value.map((item, index) => unpack(item, `${path}[${index}]`, secrets));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  if (Reflect.get(value, SIGNATURE) === SECRET) {
    secrets.push(path);
    return unpack(Reflect.get(value, 'value'), path, secrets);
  }
  return Object.fromEntries(
    entries.map(([key, item]) => [key, unpack(item, path === '' ? key : `${path}.${key}`, secrets)]),
  );
}
