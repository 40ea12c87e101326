// A machine is a file with its launch. Nothing runs in it.
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProviderHost } from '../../../src/provision/host.ts';
import type {
  LaunchSpec,
  ListedVm,
  OpenProvider,
  ProvisionReport,
  ProvisionResult,
} from '../../../src/provision/provider.ts';

const SSH = { address: '127.0.0.1', sshUser: 'nobody', sshPort: 22 };
const CANCELLED: ProvisionResult = {
  ok: false,
  failure: {
    code: 'cancelled',
    message: 'The launch was cancelled.',
    remedy: 'Launch the missing machines again.',
  },
};
const DONE: ProvisionResult = { ok: true, value: undefined };

export function openMinimalProvider({ dataDir }: ProviderHost): OpenProvider {
  const folder = join(dataDir, 'minimal');
  const list = async (): Promise<ListedVm[]> => {
    const hostnames = await readdir(folder);
    return Promise.all(
      hostnames.map(async (hostname) => ({
        hostname,
        operationId: await readFile(join(folder, hostname), 'utf8'),
        ssh: SSH,
      })),
    );
  };
  return {
    readiness: () => Promise.resolve(DONE),
    launch: (spec, report, signal) => launch(folder, spec, report, signal),
    destroy: async (hostnames, report) => {
      const named = hostnames === 'all' ? await readdir(folder) : hostnames;
      for (const hostname of named) {
        await rm(join(folder, hostname), { force: true });
        await report.gone(hostname);
      }
      return DONE;
    },
    list,
    start: async () => {
      await mkdir(folder, { recursive: true });
    },
    stop: () => Promise.resolve(),
  };
}

async function launch(
  folder: string,
  { operationId, vms }: LaunchSpec,
  report: ProvisionReport,
  signal: AbortSignal,
): Promise<ProvisionResult> {
  for (const { hostname } of vms) {
    if (signal.aborted) return CANCELLED;
    // An existing machine stays as it is.
    await writeFile(join(folder, hostname), operationId, { flag: 'wx' }).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    });
    await report.created(hostname, { ...SSH, provisioningSeconds: 0 });
  }
  return DONE;
}
