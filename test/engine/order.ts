// The order of the engine's events. The fixed part of it is defined here as phases, which tests check in the recordings and
// in their own runs. Within a phase, the events of one resource keep their order; different resources may interleave.
import type { Event } from './drive.ts';

type Metadata = {
  readonly op: string;
  readonly urn: string;
  readonly type: string;
  readonly logical?: boolean;
};

const PHASES = [
  'the start: plugins of existing resources, the prelude, a warning about pending operations',
  'the stack is registered or refreshed',
  'the provider',
  'machines are created, kept and refreshed; a signal is received',
  'machines are deleted',
  'the stack and its provider are deleted',
  'errors of the run, the outputs of the stack',
  'the summary',
  'the end',
] as const;

export type PhasedEvent = { readonly phase: number; readonly urn: string; readonly event: Event };

export const isDebug = (event: Event) =>
  (event['diagnosticEvent'] as { severity?: string } | undefined)?.severity === 'debug';

/** The events with their phases, without debug messages, which have no fixed place. */
export function phasesOf(events: readonly Event[]): PhasedEvent[] {
  let hasBegun = false;
  return events
    .filter((event) => !isDebug(event))
    .map((event) => {
      const phased = phaseOf(event, hasBegun);
      hasBegun ||= phased.phase > 0;
      return phased;
    });
}

/** The phases in the order of their events; equal to `expectedPhaseNames` if the order is as defined above. */
export function phaseNames(phased: readonly PhasedEvent[]): string[] {
  const changes = phased.filter(({ phase }, at) => phase !== phased[at - 1]?.phase);
  return changes.map(({ phase }) => PHASES[phase] ?? '?');
}

export function expectedPhaseNames(phased: readonly PhasedEvent[]): string[] {
  const phases = [...new Set(phased.map(({ phase }) => phase))].sort((left, right) => left - right);
  return phases.map((phase) => PHASES[phase] ?? '?');
}

/** The events sorted by phase and resource; events of the same resource keep their order. */
export function inOurOrder(phased: readonly PhasedEvent[]): Event[] {
  return phased
    .toSorted((left, right) => left.phase - right.phase || left.urn.localeCompare(right.urn))
    .map(({ event }) => event);
}

function phaseOf(event: Event, hasBegun: boolean): PhasedEvent {
  if ('summaryEvent' in event) return { phase: 7, urn: '', event };
  if ('cancelEvent' in event) return { phase: 8, urn: '', event };
  if ('stdoutEvent' in event) return { phase: 3, urn: '', event };
  const diagnostic = event['diagnosticEvent'] as
    { severity: string; urn?: string; message: string } | undefined;
  if (diagnostic) return phaseOfDiagnostic(diagnostic, event, hasBegun);
  const step = (event['resourcePreEvent'] ?? event['resOutputsEvent'] ?? event['resOpFailedEvent']) as
    { metadata: Metadata } | undefined;
  if (!step) return { phase: 0, urn: '', event };
  return { phase: phaseOfStep(step.metadata, 'resOutputsEvent' in event), urn: step.metadata.urn, event };
}

function phaseOfDiagnostic(
  { severity, urn, message }: { severity: string; urn?: string; message: string },
  event: Event,
  hasBegun: boolean,
): PhasedEvent {
  if (urn !== undefined) return { phase: urn.includes('::pulumi:providers:') ? 2 : 3, urn, event };
  if (severity === 'error') return { phase: 6, urn: '', event };
  // The second message about the plugin comes while the provider is being registered.
  if (hasBegun && message.startsWith('using pulumi-resource-aws')) return { phase: 2, urn: '', event };
  return { phase: 0, urn: '', event };
}

function phaseOfStep({ op, type, logical = false }: Metadata, isAfter: boolean): number {
  const isOwn = type === 'pulumi:pulumi:Stack' || type.startsWith('pulumi:providers:');
  if (op === 'delete') return isOwn ? 5 : 4;
  if (type.startsWith('pulumi:providers:')) return 2;
  // A refreshed stack is finished at once; the final event of a registered stack comes after all others.
  if (type === 'pulumi:pulumi:Stack') return isAfter && logical ? 6 : 1;
  return 3;
}
