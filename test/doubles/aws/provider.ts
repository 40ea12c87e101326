// The part of the AWS plugin double that all resource types share: faults, recorded calls, unwrapping of secrets, and the table
// of types.
import type {
  CheckResult,
  CreateResult,
  DiffResult,
  Provider,
  ReadResult,
  UpdateResult,
} from '@pulumi/pulumi/provider/provider.js';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { isEqual, isObject, plain, type Props } from '../engine/values.ts';
import { readFaults, recordCall, rejectionOf } from './faults.ts';
import { addressHandlers } from './addresses.ts';
import { functionHandlers } from './functions.ts';
import { logHandlers } from './logs.ts';
import { machineHandlers } from './machines.ts';
import { roleHandlers } from './roles.ts';
import { propsOf } from './sdk.ts';

/** The operations of one resource type. Secrets in inputs and properties are already unwrapped. */
export type ResourceHandler = {
  /** The known input properties; others are rejected. */
  readonly inputs: readonly string[];
  /** The input that gets a generated value (`<resource>-<random>`) if the program omits it, as in the real provider. */
  readonly autoname?: string;
  /** A change of these inputs requires a replacement of the resource. */
  readonly replaceOnChanges: readonly string[];
  /** The same, where it depends on other inputs. */
  readonly alsoReplaceOnChanges?: (news: Props) => readonly string[];
  readonly create: (name: string, inputs: Props) => Promise<{ id: string; computed: Props }>;
  /** Null: the resource does not exist. `props` are the properties in the state. */
  readonly read: (id: string, props: Props) => Promise<Props | null>;
  readonly update: (id: string, olds: Props, news: Props) => Promise<Props>;
  /** Succeeds if the resource does not exist. */
  readonly delete: (id: string, props: Props) => Promise<void>;
};

const MACHINE = 'aws:ec2/instance:Instance';
/** The longest hold, so that a failed test does not leave a plugin running. */
const HOLD_LIMIT_MS = 120_000;
const HOLD_CHECK_MS = 25;

export function createProvider(folder: string): { provider: Provider; busy: () => boolean } {
  const handlers: Readonly<Record<string, ResourceHandler>> = {
    ...machineHandlers(),
    ...roleHandlers,
    ...logHandlers,
    ...functionHandlers,
    ...addressHandlers,
  };
  let runningCalls = 0;

  async function trackCall<Result>(work: () => Promise<Result>): Promise<Result> {
    runningCalls += 1;
    try {
      return await work();
    } catch (error) {
      throw withErrorCode(error);
    } finally {
      runningCalls -= 1;
    }
  }

  const provider: Provider = {
    version: '7.48.0',
    check: (urn, olds, news: unknown) =>
      Promise.resolve(check(handlerOf(handlers, urn), nameOf(urn), olds, propsOf(news))),
    diff: (_id, urn, olds, news: unknown) =>
      Promise.resolve(diff(handlerOf(handlers, urn), propsOf(olds), propsOf(news))),
    create: (urn, inputs: unknown) => trackCall(() => create(folder, handlers, urn, propsOf(inputs))),
    read: (id, urn, props: unknown) => trackCall(() => read(folder, handlers, id, urn, propsOf(props))),
    update: (id, urn, olds: unknown, news: unknown) =>
      trackCall(async (): Promise<UpdateResult> => {
        recordCall(folder, { what: 'update', type: typeOf(urn), name: nameOf(urn) });
        const computed = await handlerOf(handlers, urn).update(
          id,
          unwrapSecrets(propsOf(olds)),
          unwrapSecrets(propsOf(news)),
        );
        return { outs: { ...propsOf(olds), ...propsOf(news), ...computed } };
      }),
    delete: (id, urn, props: unknown) =>
      trackCall(async () => {
        const resource = { type: typeOf(urn), name: nameOf(urn) };
        recordCall(folder, { what: 'delete', ...resource });
        throwIfRejected(rejectionOf(folder, 'delete', resource));
        await handlerOf(handlers, urn).delete(id, unwrapSecrets(propsOf(props)));
        await delayResponse(folder, resource);
      }),
  };
  return { provider, busy: () => runningCalls > 0 };
}

function check({ inputs, autoname }: ResourceHandler, name: string, olds: unknown, news: Props): CheckResult {
  const unknown = Object.keys(news).filter((key) => !inputs.includes(key));
  if (unknown.length > 0)
    return {
      failures: unknown.map((property) => ({
        property,
        reason: 'THE CLOUD DOUBLE DOES NOT KNOW THIS PROPERTY',
      })),
    };
  if (autoname === undefined || news[autoname] !== undefined) return { inputs: news };
  const old = isObject(olds) ? olds[autoname] : undefined;
  return { inputs: { ...news, [autoname]: old ?? `${name}-${randomBytes(4).toString('hex').slice(0, 7)}` } };
}

function diff(
  { replaceOnChanges, alsoReplaceOnChanges }: ResourceHandler,
  olds: Props,
  news: Props,
): DiffResult {
  const changed = Object.keys(news).filter((key) => !isEqual(plain(olds[key]), plain(news[key])));
  const replacing = [...replaceOnChanges, ...(alsoReplaceOnChanges?.(unwrapSecrets(news)) ?? [])];
  const replaces = changed.filter((key) => replacing.includes(key));
  return { changes: changed.length > 0, replaces };
}

async function create(
  folder: string,
  handlers: Readonly<Record<string, ResourceHandler>>,
  urn: string,
  inputs: Props,
): Promise<CreateResult> {
  const resource = { type: typeOf(urn), name: nameOf(urn) };
  const wanted = unwrapSecrets(inputs);
  recordCall(folder, { what: 'create', ...resource });
  throwIfRejected(
    rejectionOf(folder, 'create', {
      ...resource,
      instanceType: wanted['instanceType'],
      subnetId: wanted['subnetId'],
    }),
  );
  const { id, computed } = await handlerOf(handlers, urn).create(resource.name, wanted);
  await dieWhenAllExist(folder, resource);
  await delayResponse(folder, resource);
  recordCall(folder, { what: 'created', ...resource });
  return { id, outs: { ...inputs, ...computed } };
}

async function read(
  folder: string,
  handlers: Readonly<Record<string, ResourceHandler>>,
  id: string,
  urn: string,
  props: Props,
): Promise<ReadResult> {
  const resource = { type: typeOf(urn), name: nameOf(urn) };
  recordCall(folder, { what: 'read', ...resource });
  throwIfRejected(rejectionOf(folder, 'read', resource));
  const computed = await handlerOf(handlers, urn).read(id, unwrapSecrets(props));
  return computed ? { id, props: { ...props, ...computed } } : { id: '', props: {} };
}

type ResourceName = { readonly type: string; readonly name: string };

/** Faults name machines by hostname, and all other resources as `type::name`. */
function isNamedBy(entry: string, { type, name }: ResourceName): boolean {
  return entry === `${type}::${name}` || (type === MACHINE && entry === name);
}

/** The entries of `dieCreating` whose resource exists now. */
const createdEntries = new Set<string>();

/** Exits when all resources in `dieCreating` exist. Until then it holds their responses, so the engine receives none. */
async function dieWhenAllExist(folder: string, resource: ResourceName): Promise<void> {
  const { dieCreating } = readFaults(folder);
  const ownEntry = dieCreating.find((entry) => isNamedBy(entry, resource));
  if (ownEntry === undefined) return;
  createdEntries.add(ownEntry);
  if (dieCreating.every((entry) => createdEntries.has(entry))) process.exit(1);
  await delay(HOLD_LIMIT_MS);
}

/** Delays the response after AWS has created or deleted the resource. */
async function delayResponse(folder: string, { type, name }: ResourceName): Promise<void> {
  const isMachine = type === MACHINE;
  const { slow } = readFaults(folder);
  if (isMachine) await delay(slow[name] ?? slow['*'] ?? 0);
  const until = Date.now() + HOLD_LIMIT_MS;
  const isMatch = (entry: string) => (entry === '*' ? isMachine : isNamedBy(entry, { type, name }));
  const isHeld = () => readFaults(folder).hold.some(isMatch);
  while (isHeld() && Date.now() < until) await delay(HOLD_CHECK_MS);
}

/** Puts the code of an AWS error in front of its message, as the real provider does. */
function withErrorCode(error: unknown): unknown {
  if (!(error instanceof Error) || !('$metadata' in error)) return error;
  return new Error(`${error.name}: ${error.message}`);
}

function throwIfRejected(text: string | null): void {
  if (text !== null) throw new Error(text);
}

function handlerOf(handlers: Readonly<Record<string, ResourceHandler>>, urn: string): ResourceHandler {
  const handler = handlers[typeOf(urn)];
  if (!handler) throw new Error(`THE CLOUD DOUBLE DOES NOT KNOW THE TYPE ${typeOf(urn)}`);
  return handler;
}

function typeOf(urn: string): string {
  return (urn.split('::')[2] ?? '').split('$').at(-1) ?? '';
}

function nameOf(urn: string): string {
  return urn.split('::')[3] ?? '';
}

/** Replaces secrets with their values. */
function unwrapSecrets(props: Props): Props {
  return propsOf(plain(props));
}
