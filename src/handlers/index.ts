// The handlers of all endpoints; a missing one does not compile.
import type { Handlers } from '../contract/handlers.ts';
import type { Shares } from '../db/shares.ts';
import { createAdminHandlers, type AdminDependencies } from './admin.ts';
import { createAgentHandlers, type AgentDependencies } from './agent.ts';
import { createAccountsHandlers, type AccountsDependencies } from './accounts.ts';
import { createAuditHandlers } from './audit.ts';
import type { RequestVmDependencies } from './request-vm.ts';
import { createDownloadHandlers, type DownloadDependencies } from './downloads.ts';
import { createActionsHandlers, type ActionsDependencies } from './actions.ts';
import { createRosterHandlers, type RosterDependencies } from './roster.ts';
import { createNotificationsHandlers, type NotificationsDependencies } from './notifications.ts';
import { createSelectionHandlers } from './selection.ts';
import { createSettingsHandlers, type SettingsDependencies } from './settings.ts';
import { createScheduleHandlers, type ScheduleDependencies } from './schedule.ts';
import { createShutdownHandlers } from './shutdown.ts';
import { createFleetHandlers } from './fleet.ts';
import { createHistoryHandlers } from './history.ts';
import { createLiveHandlers, type LiveDependencies } from './live.ts';
import type { FleetDependencies } from './operation-pages.ts';
import { createOperationHandlers } from './operations.ts';
import type { OwnFilesDependencies } from './own-files.ts';
import { createParticipantHandlers } from './participant.ts';
import { createRecyclingHandlers } from './recycling.ts';
import { createStatusHandlers } from './status.ts';
import { createOrphansHandlers } from './orphans.ts';
import { createWaitingListHandlers, type WaitingListDependencies } from './waiting-list.ts';
import { createDiagnosticsHandlers, type DiagnosticsDependencies } from './diagnostics.ts';
import { createSystemHandlers, type SystemDependencies } from './system.ts';
import { createLogHandlers } from './logs.ts';
import { createVmHandlers, type VmDependencies } from './vm.ts';
import { createVmsHandlers, type VmsDependencies } from './vms.ts';

export type HandlerDependencies = Omit<RequestVmDependencies, 'readLab'> &
  OwnFilesDependencies &
  VmDependencies &
  VmsDependencies &
  AdminDependencies &
  AccountsDependencies &
  ActionsDependencies &
  SystemDependencies &
  DiagnosticsDependencies &
  AgentDependencies &
  FleetDependencies &
  SettingsDependencies &
  RosterDependencies &
  NotificationsDependencies &
  ScheduleDependencies &
  WaitingListDependencies &
  LiveDependencies &
  DownloadDependencies & {
    /** `db` is the share of the others. */
    readonly shares: Shares;
  };

export function createHandlers(dependencies: HandlerDependencies): Handlers {
  const { shares } = dependencies;
  return {
    ...createParticipantHandlers({ ...dependencies, db: shares.people }),
    ...createVmHandlers({ ...dependencies, db: shares.machines }),
    ...createRecyclingHandlers(dependencies),
    ...createAgentHandlers(dependencies),
    ...createStatusHandlers(dependencies),
    ...createVmsHandlers(dependencies),
    ...createAdminHandlers(dependencies),
    ...createActionsHandlers(dependencies),
    ...createAccountsHandlers(dependencies),
    ...createAuditHandlers(dependencies),
    ...createSelectionHandlers(dependencies),
    ...createFleetHandlers(dependencies),
    ...createSettingsHandlers(dependencies),
    ...createRosterHandlers(dependencies),
    ...createScheduleHandlers(dependencies),
    ...createWaitingListHandlers(dependencies),
    ...createNotificationsHandlers(dependencies),
    ...createShutdownHandlers(dependencies),
    ...createOrphansHandlers(dependencies),
    ...createOperationHandlers(dependencies),
    ...createHistoryHandlers(dependencies),
    ...createLogHandlers(dependencies),
    ...createLiveHandlers(dependencies),
    ...createDownloadHandlers(dependencies),
    ...createDiagnosticsHandlers(dependencies),
    ...createSystemHandlers(dependencies),
  };
}
