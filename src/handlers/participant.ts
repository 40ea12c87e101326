// The pages of participants and their data.
import { shareReads } from '../async/shared-read.ts';
import type { HandlersOf } from '../contract/handlers.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import { findAssignment, liveAssignmentsOfBrowser, type AssignmentRecord } from '../db/assignments.ts';
import { databaseProblem } from '../db/errors.ts';
import { countFree } from '../db/vms.ts';
import { findPlaceOfBrowser } from '../db/waiting-list.ts';
import type { Settings } from '../db/settings.ts';
import { renderCheck } from '../pages/check.ts';
import { renderIndex } from '../pages/index-page.ts';
import { renderSuccess } from '../pages/success.ts';
import { needsCode, type WorkshopSettings } from '../vms/workshop-settings.ts';
import { requestVmHandler, type RequestVmDependencies } from './request-vm.ts';
import { downloadOwnFilesHandler, readOwnFiles, type OwnFilesDependencies } from './own-files.ts';
import { returnToVmHandler } from './return-to-vm.ts';
import { createCachedLabReader, readLab } from './lab.ts';
import { json, page } from './replies.ts';
import { assignmentView } from './views.ts';
import { lookAtPlace } from './waiting-place.ts';

export function createParticipantHandlers(
  given: Omit<RequestVmDependencies, 'readLab'> & OwnFilesDependencies,
): HandlersOf<'participant'> {
  const { db, now, codeLifetimeMs, settings } = given;
  const readLabNow = shareReads(() => readLab(given));
  const readCachedLab = createCachedLabReader(readLabNow, now);
  const readFree = shareReads(() => countFree(db));
  const dependencies = { ...given, readLab: readLabNow };
  const view = (record: AssignmentRecord) => assignmentView(record, { now: now(), codeLifetimeMs });
  return {
    indexPage: async ({ browserId, query }) => {
      const assignments = browserId === null ? [] : await liveAssignmentsOfBrowser(db, browserId);
      const place = browserId === null ? null : await findPlaceOfBrowser(db, browserId);
      return page(
        renderIndex({
          lab: await readLabNow(),
          workshop: settings.last(),
          values: { code: query.code ?? '' },
          askForCode: needsCode(settings.last()),
          askForPin: false,
          place: place && (await lookAtPlace(dependencies, place)),
          mine: assignments.map(({ id, hostname }) => ({ id, hostname })),
        }),
      );
    },
    requestVm: requestVmHandler(dependencies),
    returnToVm: returnToVmHandler(dependencies),
    assignmentPage: async ({ path, browserId }) => {
      const record = await findAssignment(db, path.id);
      if (!record || !isBoundTo(record, browserId)) throw new ProblemError('assignment_not_found');
      const files = record.releasedAt === null ? await readOwnFiles(dependencies, record.hostname) : null;
      return page(renderSuccess({ ...view(record), files, workshop: settings.last() }));
    },
    getAssignment: async ({ path, browserId, caller }) => {
      const record = await findAssignment(db, path.id);
      const isAllowed = caller.kind === 'admin' || (record !== null && isBoundTo(record, browserId));
      if (!record || !isAllowed) return problem('assignment_not_found');
      return json(view(record));
    },
    downloadOwnFiles: downloadOwnFilesHandler(dependencies),
    checkPage: async () => page(renderCheck(await readOrLast(settings), now())),
    getLab: async () => json(await readCachedLab()),
    getUnassignedVmsCount: async () => json({ count: await readFree() }),
  };
}

/** During an outage of the database, as they were. */
async function readOrLast(settings: Settings): Promise<WorkshopSettings> {
  try {
    return await settings.read();
  } catch (error) {
    if (databaseProblem(error)) return settings.last();
    throw error;
  }
}

function isBoundTo(record: AssignmentRecord, browserId: string | null): boolean {
  return browserId !== null && record.browsers.includes(browserId);
}
