// All handlers of the contract: one that is missing does not compile.
import type { Handlers } from '../contract/handlers.ts';
import { createAdminHandlers, type AdminDependencies } from './admin.ts';
import type { AskDependencies } from './ask.ts';
import { createParticipantHandlers } from './participant.ts';
import { createStatusHandlers } from './status.ts';
import { createSystemHandlers, type SystemDependencies } from './system.ts';
import { createVmHandlers, type VmDependencies } from './vm.ts';
import { createVmsHandlers, type VmsDependencies } from './vms.ts';

export type HandlerDependencies = AskDependencies & VmDependencies & VmsDependencies & AdminDependencies & SystemDependencies;

export function createHandlers(dependencies: HandlerDependencies): Handlers {
  return {
    ...createParticipantHandlers(dependencies),
    ...createVmHandlers(dependencies),
    ...createStatusHandlers(dependencies),
    ...createVmsHandlers(dependencies),
    ...createAdminHandlers(dependencies),
    ...createSystemHandlers(dependencies),
  };
}
