// Reduces the events of Pulumi's engine to facts. The clock is an argument, because the engine's own timestamps are whole
// seconds. Unknown events give no facts; most events are debug output.
import { z } from 'zod';
import type { EngineFact, MachineAction } from './messages.ts';

/** Longer lines are cut. */
export const FACT_TEXT_LIMIT = 2_000;
/** The stack itself, and the providers of clouds. */
const OWN_TYPE = 'pulumi:';
/** How the line that names the plugin's file starts. */
const PLUGIN_PATH = 'using pulumi-resource-';

const resource = z.object({
  id: z.string().optional(),
  outputs: z.record(z.string(), z.unknown()).optional(),
});
const step = z.object({
  metadata: z.object({
    op: z.string(),
    urn: z.string(),
    type: z.string(),
    old: resource.nullish(),
    new: resource.nullish(),
  }),
});
const engineEvent = z.object({
  diagnosticEvent: z
    .object({
      message: z.string(),
      severity: z.string(),
      urn: z.string().optional(),
      ephemeral: z.boolean().optional(),
    })
    .optional(),
  resourcePreEvent: step.optional(),
  resOutputsEvent: step.optional(),
  resOpFailedEvent: step.optional(),
  summaryEvent: z.object({ result: z.string().optional(), maybeCorrupt: z.boolean().optional() }).optional(),
});

type EngineEvent = z.output<typeof engineEvent>;
type Step = z.output<typeof step>['metadata'];

export type EventReducer = (event: unknown, nowMs: number) => readonly EngineFact[];

type ReducedRun = {
  readonly machineType: string;
  /** By URN, in milliseconds. */
  readonly startedAt: Map<string, number>;
  /** The last error of a resource, by URN. */
  readonly errors: Map<string, string>;
};

/** For the events of one run. @param machineType Pulumi's type of a machine */
export function createEventReducer(machineType: string): EventReducer {
  const run: ReducedRun = { machineType, startedAt: new Map(), errors: new Map() };
  return (received, nowMs) => {
    const read = engineEvent.safeParse(received);
    if (!read.success) return [];
    const { diagnosticEvent, resourcePreEvent, resOutputsEvent, resOpFailedEvent, summaryEvent } = read.data;
    if (diagnosticEvent) return reduceDiagnostic(run, diagnosticEvent);
    if (resourcePreEvent) return reduceStart(run, resourcePreEvent.metadata, nowMs);
    if (resOutputsEvent) return reduceFinish(run, resOutputsEvent.metadata, nowMs);
    if (resOpFailedEvent) return reduceFailure(run, resOpFailedEvent.metadata);
    if (!summaryEvent) return [];
    const succeeded = summaryEvent.result === 'succeeded' && summaryEvent.maybeCorrupt !== true;
    return [{ kind: 'summary', succeeded }];
  };
}

const levels: Readonly<Record<string, 'info' | 'warning' | 'error'>> = {
  info: 'info',
  'info#err': 'info',
  warning: 'warning',
  error: 'error',
};

function reduceDiagnostic(
  { machineType, errors }: ReducedRun,
  { message, severity, urn = '', ephemeral }: NonNullable<EngineEvent['diagnosticEvent']>,
): EngineFact[] {
  const level = levels[severity];
  const text = message.trim().slice(0, FACT_TEXT_LIMIT);
  if (level === undefined || ephemeral === true || text === '' || text.startsWith(PLUGIN_PATH)) return [];
  if (level === 'error' && urn !== '') errors.set(urn, text);
  const hostname = urn.includes(`${machineType}::`) ? resourceName(urn) : null;
  return [{ kind: 'output', level, hostname, text }];
}

function reduceStart(
  { machineType, startedAt }: ReducedRun,
  { op, urn, type }: Step,
  nowMs: number,
): EngineFact[] {
  const action = actionOf(op);
  if (action === null) return [];
  startedAt.set(urn, nowMs);
  return type === machineType ? [{ kind: 'started', hostname: resourceName(urn), action }] : [];
}

function reduceFinish({ machineType, startedAt }: ReducedRun, step: Step, nowMs: number): EngineFact[] {
  const action = actionOf(step.op);
  if (action === null) return [];
  if (step.type !== machineType) return otherFinished(step, action);
  const created = action === 'create' ? step.new : undefined;
  const instanceId = created?.id ?? null;
  const publicIp = textOf(created?.outputs?.['publicIp']);
  const privateIp = textOf(created?.outputs?.['privateIp']);
  const seconds = (nowMs - (startedAt.get(step.urn) ?? nowMs)) / 1000;
  const hostname = resourceName(step.urn);
  return [{ kind: 'finished', hostname, action, instanceId, publicIp, privateIp, seconds }];
}

/** Shared resources, such as the security group, are reported in one line. */
function otherFinished({ type, urn }: Step, action: MachineAction): EngineFact[] {
  if (type.startsWith(OWN_TYPE)) return [];
  const shortType = type.slice(type.lastIndexOf(':') + 1);
  const text = `${shortType} ${resourceName(urn)}: ${actionVerbs[action]}.`;
  return [{ kind: 'output', level: 'info', hostname: null, text }];
}

function reduceFailure({ machineType, errors }: ReducedRun, { op, urn, type }: Step): EngineFact[] {
  if (type !== machineType) return [];
  const text = errors.get(urn) ?? 'Pulumi did not say why.';
  return [{ kind: 'failed', hostname: resourceName(urn), action: actionOf(op) ?? 'update', text }];
}

const actionVerbs = { create: 'created', delete: 'deleted', update: 'updated' } as const satisfies Record<
  MachineAction,
  string
>;

/** Pulumi's operations that change something; `same`, `read` and `refresh` do not. */
const actions: Readonly<Record<string, MachineAction>> = {
  create: 'create',
  'create-replacement': 'create',
  delete: 'delete',
  'delete-replaced': 'delete',
  update: 'update',
  replace: 'update',
};

function actionOf(op: string): MachineAction | null {
  return actions[op] ?? null;
}

/** A URN ends with the name of the resource; a machine's name is its hostname. */
export function resourceName(urn: string): string {
  return urn.slice(urn.lastIndexOf('::') + 2);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
