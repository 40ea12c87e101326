// The reset of VMs between two participants.
import type { HandlersOf } from '../contract/handlers.ts';
import { problem, ProblemError } from '../contract/problems.ts';
import { findAssignment } from '../db/assignments.ts';
import type { Db } from '../db/connect.ts';
import { recordRecycled, releaseAssignment } from '../db/recycling.ts';
import { callerName } from '../contract/caller.ts';
import { redirectToVm } from './redirect-to-vm.ts';
import { json } from './replies.ts';
import { assignmentView, type Clock } from './views.ts';

export type RecyclingDependencies = {
  readonly db: Db;
  readonly now: Clock;
  readonly codeLifetimeMs: number;
};

export function createRecyclingHandlers(dependencies: RecyclingDependencies): HandlersOf<'recycling'> {
  const { db, now, codeLifetimeMs } = dependencies;
  return {
    postRecycled: async ({ path, body }) => {
      const report = { hostname: path.hostname, assignmentId: body.assignment_id ?? null };
      switch (await recordRecycled(db, report)) {
        case 'recorded':
        case 'late':
          return json({ message: 'Recycling recorded.' });
        case 'unknown_vm':
          return problem('vm_not_found');
        case 'refused':
          return problem('not_recycling');
      }
    },
    releaseAssignment: async ({ path, caller, accept }) => {
      await releaseAssignment(db, path.id, callerName(caller));
      const record = await findAssignment(db, path.id);
      if (!record) throw new ProblemError('assignment_not_found', { detail: 'There is no such assignment.' });
      if (accept === 'text/html') return redirectToVm(record.hostname, 'release');
      return json(assignmentView(record, { now: now(), codeLifetimeMs }));
    },
  };
}
