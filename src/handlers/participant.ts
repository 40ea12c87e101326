// What participants ask for: the form, the page that watches their machine, how many are free.
import type { HandlersOf } from '../contract/handlers.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import { findAssignment, liveAssignmentsOfBrowser, type AssignmentRecord } from '../db/assignments.ts';
import { countFree } from '../db/vms.ts';
import { renderCheck } from '../pages/check.ts';
import { renderIndex } from '../pages/index-page.ts';
import { renderSuccess } from '../pages/success.ts';
import { requestVmHandler, type RequestVmDependencies } from './request-vm.ts';
import { createLabReader, readLab } from './lab.ts';
import { assignmentView } from './views.ts';

export function createParticipantHandlers(dependencies: RequestVmDependencies): HandlersOf<'participant'> {
  const { db, now, codeLifetimeMs, workshop } = dependencies;
  const labForAll = createLabReader(db, now);
  const view = (record: AssignmentRecord) => assignmentView(record, { now: now(), codeLifetimeMs });
  return {
    indexPage: async ({ browserId }) => {
      const mine = browserId === null ? [] : await liveAssignmentsOfBrowser(db, browserId);
      const body = renderIndex({
        lab: await readLab(db),
        workshop,
        values: {},
        askForPin: false,
        mine: mine.map(({ id, hostname }) => ({ id, hostname })),
      });
      return { status: 200, type: 'text/html', body };
    },
    requestVm: requestVmHandler(dependencies),
    assignmentPage: async ({ path, browserId }) => {
      const record = await findAssignment(db, path.id);
      if (!record || !isBoundTo(record, browserId)) throw new ProblemError('assignment_not_found');
      return { status: 200, type: 'text/html', body: renderSuccess({ ...view(record), workshop }) };
    },
    getAssignment: async ({ path, browserId, caller }) => {
      const record = await findAssignment(db, path.id);
      const mayKnow = caller.kind === 'admin' || (record !== null && isBoundTo(record, browserId));
      if (!record || !mayKnow) return problem('assignment_not_found');
      return { status: 200, type: 'application/json', body: view(record) };
    },
    checkPage: () => ({ status: 200, type: 'text/html', body: renderCheck(workshop, now()) }),
    getLab: async () => ({ status: 200, type: 'application/json', body: await labForAll() }),
    getUnassignedVmsCount: async () => ({
      status: 200,
      type: 'application/json',
      body: { count: await countFree(db) },
    }),
  };
}

function isBoundTo(record: AssignmentRecord, browserId: string | null): boolean {
  return browserId !== null && record.browsers.includes(browserId);
}
