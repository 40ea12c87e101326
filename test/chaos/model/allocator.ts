// An allocator of the model: the real dispatcher, groups, handlers of machines and requests, on the rows of the model.
import { NotServed } from '../../../src/async/groups.ts';
import type { Db } from '../../../src/db/connect.ts';
import { readGroupSizes } from '../../../src/db/grouped.ts';
import type { Notice } from '../../../src/db/listen.ts';
import { recordRecycled, releaseAssignment } from '../../../src/db/recycling.ts';
import { requestVm, type VmRequest, type VmRequestResult } from '../../../src/db/request.ts';
import { createDispatcher } from '../../../src/delivery/dispatcher.ts';
import { startReserver } from '../../../src/delivery/reserver.ts';
import { findPlace } from '../../../src/db/waiting-list.ts';
import {
  findOwnPlace,
  lookAtPlace,
  takePlace,
  type WaitingPlace,
} from '../../../src/handlers/waiting-place.ts';
import { createLogLimiter, createLogQueue } from '../../../src/handlers/log-intake.ts';
import { createVmHandlers } from '../../../src/handlers/vm.ts';
import { createModelDatabase, type ModelServer } from './database.ts';

export type ModelAllocator = {
  readonly id: string;
  readonly handlers: ReturnType<typeof createVmHandlers>;
  readonly request: (request: VmRequest, signal: AbortSignal) => Promise<VmRequestResult>;
  /** Takes a place on the waiting list, as the page does where all machines are taken. */
  readonly wait: (email: string, browserId: string) => Promise<WaitingPlace | null>;
  /** As the page asks, which is present by that. */
  readonly look: (id: string) => Promise<WaitingPlace | null>;
  readonly release: (id: string) => Promise<unknown>;
  readonly recycled: (hostname: string, assignmentId: string | null) => Promise<unknown>;
  readonly onNotice: (notice: Notice) => void;
  /** As after a reconnect of the listener. */
  readonly readAll: () => Promise<void>;
  /** Polls and requests that wait. */
  readonly waiting: () => number;
  readonly isDead: () => boolean;
  /** Its connections are gone at once; what it does from now on reaches nobody. */
  readonly kill: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

const CODE_LIFETIME_SECONDS = 600;
const MAX_LOG_BYTES = 1_000_000;

export function createModelAllocator(server: ModelServer, id: string): ModelAllocator {
  let isDead = false;
  const db = createModelDatabase(server, () => isDead);
  const dispatcher = createDispatcher({
    db,
    allocator: id,
    channel: 'model',
    maxWaiters: 100,
    codeLifetimeSeconds: CODE_LIFETIME_SECONDS,
    pollMaxSeconds: null,
    now: server.clock.now,
    // It is tried again.
    onError: () => undefined,
  });
  const handlers = createVmHandlers({
    db,
    dispatcher,
    logQueue: createLogQueue({ db, limiter: createLogLimiter(db, MAX_LOG_BYTES), connections: 2 }),
    unknownVmProvider: 'external',
    hasSpaceForLogs: () => Promise.resolve(true),
    maxReportedVms: 100,
  });
  const reserver = startReserver({
    db,
    readSweep: () => Promise.resolve({ open: true, until: null }),
    // The next sweep comes in time.
    onError: () => undefined,
    // Not as often as in the product: most of a run would be sweeps.
    intervals: { busyMs: 1_000, idleMs: 3_000 },
  });
  const list = createListDependencies(db, server, reserver.sweep);
  return {
    id,
    handlers,
    wait: async (email, browserId) => {
      const taken = await takePlace(list, { email, browserId, givenPin: null, network: '192.0.2.7' });
      return 'id' in taken ? findOwnPlace(list, taken) : null;
    },
    look: async (place) => {
      const found = await findPlace(db, place);
      return found && lookAtPlace(list, found);
    },
    request: async (request, signal) => {
      try {
        return await requestVm(db, request, signal);
      } catch (error) {
        // Answered with 503.
        if (error instanceof NotServed) return { kind: 'busy' };
        throw error;
      }
    },
    release: (assignmentId) => releaseAssignment(db, assignmentId),
    recycled: (hostname, assignmentId) => recordRecycled(db, { hostname, assignmentId }),
    onNotice: dispatcher.onNotice,
    readAll: dispatcher.readAll,
    waiting: () => dispatcher.waiting + readGroupSizes([db]).reduce((sum, { waiting }) => sum + waiting, 0),
    isDead: () => isDead,
    kill: async () => {
      isDead = true;
      await Promise.all([reserver.close(), dispatcher.close()]);
    },
    stop: async () => {
      await reserver.close();
      await dispatcher.close();
    },
  };
}

function createListDependencies(db: Db, { clock, draw }: ModelServer, reserve: () => Promise<void>) {
  let ids = 0;
  return {
    db,
    reserve,
    sendsEmail: false,
    placesPerBrowser: 0,
    now: () => new Date(clock.now()),
    randomInt: (below: number) => draw.below(below),
    randomUuid: () => `place-${ids++}-${draw.below(2 ** 30)}`,
    pinLimit: {
      take: () => Promise.reject(new Error('nobody enters a code')),
      forgive: () => Promise.resolve(),
    },
  };
}
