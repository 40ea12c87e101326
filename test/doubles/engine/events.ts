// The engine's events in Pulumi's format. They go over gRPC to the address in `--event-log`, and to the screen.
import { credentials } from '@grpc/grpc-js';
import eventsGrpc from '@pulumi/pulumi/proto/events_grpc_pb.js';
import eventsProto from '@pulumi/pulumi/proto/events_pb.js';
import { unsupported } from './failure.ts';
import type { Resource } from './snapshot.ts';
import { SECRET, SIGNATURE, mapProps, type Props } from './values.ts';

export type Op =
  | 'create'
  | 'update'
  | 'delete'
  | 'same'
  | 'refresh'
  | 'delete-replaced'
  | 'replace'
  | 'create-replacement'
  | 'remove-pending-replace';
export type Severity = 'debug' | 'info' | 'warning' | 'error';
export type EngineEvent = Readonly<Record<string, unknown>>;

export type Events = {
  readonly send: (event: EngineEvent) => void;
  /** Resolves when the last event has arrived. The engine must not exit earlier. */
  readonly end: () => Promise<void>;
};

export const diagnostic = (severity: Severity, message: string, urn?: string): EngineEvent => ({
  diagnosticEvent: {
    ...(urn === undefined || urn === '' ? {} : { urn }),
    prefix: `${severity}: `,
    message: `${message}\n`,
    color: 'never',
    severity,
  },
});

/** The metadata of an event about a step. The real engine omits `logical` in refreshes. */
export function stepMetadata(op: Op, before: Resource | null, after: Resource | null, logical = true): Props {
  const shown = after ?? before;
  return {
    op,
    urn: shown?.urn,
    type: shown?.type,
    old: before && stateOf(before),
    new: after && stateOf(after),
    detailedDiff: null,
    ...(logical ? { logical } : {}),
    provider: shown?.provider,
  };
}

/** @param target the value of `--event-log`, such as tcp://127.0.0.1:4000; undefined if the events go only to the screen */
export function openEvents(target: string | undefined, show: (event: EngineEvent) => void): Events {
  const stream = target === undefined ? null : openStream(target);
  let sequence = 0;
  return {
    send: (event) => {
      show(event);
      const numbered = { sequence: sequence++, timestamp: Math.floor(Date.now() / 1000), ...event };
      stream?.write(JSON.stringify(numbered));
    },
    end: async () => {
      await stream?.end();
    },
  };
}

function openStream(target: string): { write: (text: string) => void; end: () => Promise<void> } {
  const address = /^tcp:\/\/(.+)$/.exec(target)?.[1];
  if (address === undefined) throw unsupported(`--event-log ${target}: tcp:// only`);
  const client = new eventsGrpc.EventsClient(address, credentials.createInsecure());
  const streamEnded = Promise.withResolvers<undefined>();
  // The run continues when the receiver of the events is gone.
  const call = client.streamEvents(() => streamEnded.resolve(undefined));
  call.on('error', () => streamEnded.resolve(undefined));
  return {
    write: (text) => call.write(new eventsProto.EventRequest().setEvent(text)),
    end: async () => {
      call.end();
      await streamEnded.promise;
      client.close();
    },
  };
}

function stateOf(resource: Resource): Props {
  const { type, urn, custom, id, parent, inputs, outputs, provider } = resource;
  return {
    type,
    urn,
    ...(custom ? { custom } : {}),
    id,
    parent,
    inputs: mapProps(inputs, masked),
    outputs: mapProps(outputs, masked),
    provider,
  };
}

const masked = () => ({ [SIGNATURE]: SECRET, ciphertext: '[secret]' });
