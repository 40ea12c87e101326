// Reduces one event of Pulumi's engine to facts. Pure: the clock is an argument, because the engine's own timestamps are
// whole seconds. Unknown events give no facts; most events are debug output.
import { z } from 'zod';
import type { EngineFact, MachineAction } from './messages.ts';

/** What the reducer remembers of earlier events of the same run. */
export type ReducerState = {
  /** When work on a resource started, by URN, in milliseconds. */
  readonly startedAt: ReadonlyMap<string, number>;
  /** The last error of a resource, by URN. */
  readonly errors: ReadonlyMap<string, string>;
};

export type Reduced = { readonly state: ReducerState; readonly facts: readonly EngineFact[] };

export const initialState: ReducerState = { startedAt: new Map(), errors: new Map() };

/** Longer lines are cut. */
export const FACT_TEXT_LIMIT = 2_000;
const MACHINE_TYPE = 'aws:ec2/instance:Instance';
const PROVIDER_TYPE = 'pulumi:providers:aws';
const STACK_TYPE = 'pulumi:pulumi:Stack';
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

export function reduceEvent(state: ReducerState, received: unknown, nowMs: number): Reduced {
  const read = engineEvent.safeParse(received);
  if (!read.success) return { state, facts: [] };
  const event = read.data;
  if (event.diagnosticEvent) return reduceDiagnostic(state, event.diagnosticEvent);
  if (event.resourcePreEvent) return reduceStart(state, event.resourcePreEvent.metadata, nowMs);
  if (event.resOutputsEvent) return reduceFinish(state, event.resOutputsEvent.metadata, nowMs);
  if (event.resOpFailedEvent) return reduceFailure(state, event.resOpFailedEvent.metadata);
  if (event.summaryEvent) {
    const succeeded = event.summaryEvent.result === 'succeeded' && event.summaryEvent.maybeCorrupt !== true;
    return { state, facts: [{ kind: 'summary', succeeded }] };
  }
  return { state, facts: [] };
}

const levels: Readonly<Record<string, 'info' | 'warning' | 'error'>> = {
  info: 'info',
  'info#err': 'info',
  warning: 'warning',
  error: 'error',
};

function reduceDiagnostic(
  state: ReducerState,
  { message, severity, urn = '', ephemeral }: NonNullable<EngineEvent['diagnosticEvent']>,
): Reduced {
  const level = levels[severity];
  const text = message.trim().slice(0, FACT_TEXT_LIMIT);
  if (level === undefined || ephemeral === true || text === '' || text.startsWith(PLUGIN_PATH))
    return { state, facts: [] };
  const hostname = urn.includes(`${MACHINE_TYPE}::`) ? resourceName(urn) : null;
  const errors = level === 'error' && urn !== '' ? new Map(state.errors).set(urn, text) : state.errors;
  return { state: { ...state, errors }, facts: [{ kind: 'output', level, hostname, text }] };
}

function reduceStart(state: ReducerState, step: Step, nowMs: number): Reduced {
  const action = actionOf(step.op);
  if (action === null) return { state, facts: [] };
  const startedAt = new Map(state.startedAt).set(step.urn, nowMs);
  const facts: EngineFact[] =
    step.type === MACHINE_TYPE ? [{ kind: 'started', hostname: resourceName(step.urn), action }] : [];
  return { state: { ...state, startedAt }, facts };
}

function reduceFinish(state: ReducerState, step: Step, nowMs: number): Reduced {
  const action = actionOf(step.op);
  if (action === null) return { state, facts: [] };
  const seconds = (nowMs - (state.startedAt.get(step.urn) ?? nowMs)) / 1000;
  if (step.type !== MACHINE_TYPE) return { state, facts: otherFinished(step, action) };
  const created = action === 'create' ? step.new : undefined;
  return {
    state,
    facts: [
      {
        kind: 'finished',
        hostname: resourceName(step.urn),
        action,
        instanceId: created?.id ?? null,
        publicIp: textOf(created?.outputs?.['publicIp']),
        seconds,
      },
    ],
  };
}

/** Shared resources, such as the security group, are reported in one line. */
function otherFinished({ type, urn }: Step, action: MachineAction): EngineFact[] {
  if (type === PROVIDER_TYPE || type === STACK_TYPE) return [];
  const shortType = type.slice(type.lastIndexOf(':') + 1);
  return [
    {
      kind: 'output',
      level: 'info',
      hostname: null,
      text: `${shortType} ${resourceName(urn)}: ${actionVerbs[action]}.`,
    },
  ];
}

function reduceFailure(state: ReducerState, step: Step): Reduced {
  const action = actionOf(step.op) ?? 'update';
  if (step.type !== MACHINE_TYPE) return { state, facts: [] };
  const text = state.errors.get(step.urn) ?? 'Pulumi did not say why.';
  return { state, facts: [{ kind: 'failed', hostname: resourceName(step.urn), action, text }] };
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
