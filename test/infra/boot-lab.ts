// An allocator that machines boot against, and what it is asked about them afterwards.
import type { ClientVmsSpec, MachineSpec } from '../../infra/spec.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

export const BOOT_MS = 60_000;
const ENDS_AT = '2100-01-01T12:00:00.000Z';

type Launched = { readonly hostname: string; readonly token: string };

export type BootLab = AsyncDisposable & {
  readonly server: TestServer;
  /** As a launch does: a row with a token, before the machine is there. */
  launched(): Promise<Launched>;
  specOf(parts?: Partial<ClientVmsSpec>, url?: string): Partial<ClientVmsSpec>;
  machineOf(launched: Launched, parts?: Partial<MachineSpec>): Partial<MachineSpec>;
  status(launched: Launched): Promise<string | undefined>;
  logs(launched: Launched): Promise<string>;
  timings(
    launched: Launched,
  ): Promise<{ cloud_init_seconds: number | null; container_seconds: number | null } | undefined>;
};

export async function startBootLab(): Promise<BootLab> {
  const server = await startTestServer({ VM_AUTH: 'required' });
  let machines = 0;
  return {
    server,
    async launched() {
      const hostname = `lablink-vm-boot-${++machines}`;
      const { data } = await server.admin.POST('/api/v1/vms', { body: { hostname } });
      if (!data?.token) throw new Error('no token was given');
      return { hostname, token: data.token };
    },
    specOf: (parts = {}, url = server.url) => ({ allocator: { url, sshCidrs: [] }, ...parts }),
    machineOf: ({ hostname, token }, parts = {}) => ({
      hostname,
      token,
      nvidia: false,
      shutdownAt: ENDS_AT,
      ...parts,
    }),
    async status({ hostname }) {
      const answer = await server.admin.GET('/api/v1/vms/{hostname}', { params: { path: { hostname } } });
      return answer.data?.status;
    },
    async logs({ hostname }) {
      const answer = await server.admin.GET('/api/vm-logs/{hostname}', { params: { path: { hostname } } });
      return answer.data?.logs ?? '';
    },
    timings: ({ hostname }) =>
      server.db
        .selectFrom('vm_timings')
        .select(['cloud_init_seconds', 'container_seconds'])
        .where('hostname', '=', hostname)
        .executeTakeFirst(),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
