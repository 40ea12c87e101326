// What Prometheus reads from this process, behind a narrow type: no other file knows prom-client. The code that does something
// counts it here; readings.ts reads the present state when Prometheus asks.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { endedStatuses, operationKinds } from '../vms/operation.ts';
import {
  labReadings,
  serverReadings,
  type LabFacts,
  type Reading,
  type Sample,
  type ServerFacts,
} from './readings.ts';

export type Metrics = {
  /** @param status null: the client left before the answer began. @param seconds null: the answer may take for ever */
  readonly request: (endpoint: string | null, status: number | null, seconds: number | null) => void;
  readonly claim: (outcome: ClaimOutcome) => void;
  /** A command reached its machine for the first time, so long after it was sent. */
  readonly delivered: (seconds: number) => void;
  readonly logLines: (lines: number, bytes: number) => void;
  readonly operation: (ended: EndedOperation) => void;
  /** The text format of Prometheus. @param lab null: the database did not answer */
  readonly render: (server: ServerFacts, lab: LabFacts | null) => Promise<string>;
};

/** An operation that has ended since the start. */
export type EndedOperation = { readonly kind: string; readonly outcome: string; readonly seconds: number };

const claimOutcomes = [
  'assigned',
  'returned',
  'none_free',
  'not_admitted',
  'too_many',
  'pin_required',
  'pin_wrong',
  'pin_locked',
  'busy',
] as const;
export type ClaimOutcome = (typeof claimOutcomes)[number];

/** Of requests, in seconds: most take milliseconds, a download minutes. */
const REQUEST_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60];
/** A waiting machine gets its command within milliseconds; after ten minutes the code is dead. */
const DELIVERY_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const OPERATION_BUCKETS = [5, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200];
/** The delay of the event loop is measured this often; more often costs processor time while nothing happens. */
const EVENT_LOOP_PRECISION_MS = 20;

/** One for a process, because they are about the process: tests run several servers in one. */
let processMetrics: Registry | undefined;

function processRegistry(): Registry {
  if (processMetrics === undefined) {
    processMetrics = new Registry();
    collectDefaultMetrics({
      register: processMetrics,
      eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS,
    });
  }
  return processMetrics;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const events = createEvents(registry);
  const readServer = register(registry, serverReadings);
  const readLab = register(registry, labReadings);
  return {
    ...events,
    render: async (server, lab) => {
      readServer(server);
      readLab(lab);
      return `${await registry.metrics()}\n${await processRegistry().metrics()}`;
    },
  };
}

/** Those of which each value can be known before it happens begin at 0: otherwise Prometheus would miss the first. */
function createEvents(registry: Registry): Omit<Metrics, 'render'> {
  const registers = [registry];
  const claims = new Counter({
    name: 'lablink_claims_total',
    help: 'Requests for a machine by outcome.',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of claimOutcomes) claims.inc({ outcome }, 0);
  const delivery = new Histogram({
    name: 'lablink_delivery_seconds',
    help: 'From the request of a participant to the delivery of its command to the machine.',
    buckets: DELIVERY_BUCKETS,
    registers,
  });
  const lines = new Counter({
    name: 'lablink_log_lines_total',
    help: 'Log lines received from machines.',
    registers,
  });
  const bytes = new Counter({
    name: 'lablink_log_received_bytes_total',
    help: 'Bytes of those lines.',
    registers,
  });
  return {
    request: countRequests(registry),
    claim: (outcome) => claims.inc({ outcome }),
    delivered: (seconds) => delivery.observe(seconds),
    logLines: (count, size) => {
      lines.inc(count);
      bytes.inc(size);
    },
    operation: countOperations(registry),
  };
}

function countRequests(registry: Registry): Metrics['request'] {
  const registers = [registry];
  const requests = new Counter({
    name: 'lablink_http_requests_total',
    help: 'Requests by endpoint (operationId) and status; "left": the client left before the answer.',
    labelNames: ['endpoint', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'lablink_http_request_duration_seconds',
    help: 'How long answers took, without long polls and event streams, which may take for ever.',
    labelNames: ['endpoint'],
    buckets: REQUEST_BUCKETS,
    registers,
  });
  return (id, status, seconds) => {
    const endpoint = id ?? 'none';
    requests.inc({ endpoint, status: status ?? 'left' });
    if (seconds !== null) durations.observe({ endpoint }, seconds);
  };
}

function countOperations(registry: Registry): Metrics['operation'] {
  const operations = new Histogram({
    name: 'lablink_operation_duration_seconds',
    help: 'Operations that have ended since the start, by outcome; of every allocator of this database.',
    labelNames: ['kind', 'outcome'],
    buckets: OPERATION_BUCKETS,
    registers: [registry],
  });
  for (const kind of operationKinds) for (const outcome of endedStatuses) operations.zero({ kind, outcome });
  return ({ kind, outcome, seconds }) => operations.observe({ kind, outcome }, seconds);
}

/** Registers the readings; the function sets their values, or removes them where there are no facts. */
function register<Facts>(
  registry: Registry,
  readings: readonly Reading<Facts>[],
): (facts: Facts | null) => void {
  const setters = readings.map((reading) => ({ reading, set: setterOf(registry, reading) }));
  return (facts) => {
    for (const { reading, set } of setters) set(facts === null ? [] : reading.read(facts));
  };
}

function setterOf(
  registry: Registry,
  { name, help, kind, labelNames = [] }: Omit<Reading<never>, 'read'>,
): (samples: readonly Sample[]) => void {
  const about = { name, help, labelNames: [...labelNames], registers: [registry] };
  const metric = kind === 'gauge' ? new Gauge(about) : new Counter(about);
  return (samples) => {
    metric.reset();
    // Without labels, a reset sets 0.
    if (labelNames.length === 0) metric.remove();
    for (const { labels = {}, value } of samples) metric.inc(labels, value);
  };
}
