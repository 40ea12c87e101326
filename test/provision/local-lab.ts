// Shared by the tests of local VMs: a temporary data folder, a stub of the allocator, a provider that uses both, and a list
// of the running processes. Disposing ends the processes that are left, and throws if there were any.
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { endMarkedProcesses } from '../../src/process/end-marked.ts';
import { openProcessTable, type MarkedProcess } from '../../src/process/process-table.ts';
import { LOCAL_VM_MARK } from '../../src/provision/local/host-protocol.ts';
import { createLocalProvider, type LocalProviderOptions } from '../../src/provision/local/local-provider.ts';
import { localPaths } from '../../src/provision/local/vm-folder.ts';
import type {
  CreatedVm,
  OpenProvider,
  ProvisionReport,
  ProvisionResult,
} from '../../src/provision/provider.ts';
import { createLog } from '../../src/log.ts';
import { makeSshKeyPair, type SshKeyPair } from '../../src/ssh/key-pair.ts';
import { runningVms } from '../support/local-vms.ts';

type Report = { readonly path: string; readonly token: string | undefined; readonly body: string };

export type StubAllocator = AsyncDisposable & {
  readonly url: string;
  readonly reports: readonly Report[];
  /** The statuses that a machine has reported, in order. */
  readonly statusesOf: (hostname: string) => string[];
};

/** Accepts every report, and never answers a poll. */
export async function startStubAllocator(): Promise<StubAllocator> {
  const reports: Report[] = [];
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      reports.push({ path: request.url ?? '', token: request.headers.authorization, body });
      if (request.url === '/vm_startup') return;
      response.setHeader('Content-Type', 'application/json');
      response.end('{"message":"fine"}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    reports,
    statusesOf: (hostname) =>
      reports.flatMap(({ path, body }) => {
        if (path !== '/api/vm-status') return [];
        const report = JSON.parse(body) as { hostname: string; status: string };
        return report.hostname === hostname ? [report.status] : [];
      }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  return text(request).catch(() => '');
}

export type Lab = AsyncDisposable & {
  readonly dataDir: string;
  readonly root: string;
  readonly key: SshKeyPair;
  readonly lost: string[];
  readonly moved: string[];
  readonly logLines: string[];
  readonly provider: (overrides?: Partial<LocalProviderOptions>) => OpenProvider;
  /** One entry for each machine that runs, with its process, and one for each of its commands. */
  readonly processes: () => Promise<MarkedProcess[]>;
};

/** @param allocatorUrl where machines send their reports */
export async function openLab(allocatorUrl: () => string): Promise<Lab> {
  const dataDir = await mkdtemp(join(await realpath(tmpdir()), 'lablink-local-'));
  const { root } = localPaths(dataDir);
  const key = makeSshKeyPair();
  const table = await openProcessTable(LOCAL_VM_MARK);
  const lost: string[] = [];
  const moved: string[] = [];
  const logLines: string[] = [];
  const providers: OpenProvider[] = [];
  return {
    dataDir,
    root,
    key,
    lost,
    moved,
    logLines,
    processes: () => runningVms(root),
    provider: (overrides = {}) => {
      const provider = createLocalProvider({
        dataDir,
        allocatorUrl,
        authorizedKey: key.publicKey,
        software: null,
        log: createLog({ level: 'debug', destination: { write: (line) => void logLines.push(line) } }),
        onLost: (hostname, reason) => Promise.resolve(void lost.push(`${hostname}: ${reason}`)),
        onMoved: (hostname) => Promise.resolve(void moved.push(hostname)),
        ...overrides,
      });
      providers.push(provider);
      return provider;
    },
    [Symbol.asyncDispose]: async () => {
      for (const provider of providers) await provider.stop();
      const { ended } = await endMarkedProcesses(table, root);
      await rm(dataDir, { recursive: true });
      if (ended > 0) throw new Error(`${ended} processes were left over`);
    },
  };
}

/** The hostname of each machine that runs; once more for each of its commands. */
export async function running(lab: Lab): Promise<string[]> {
  return (await lab.processes()).map(({ folder }) => basename(folder)).sort();
}

/** The names in the folder of all machines (one per hostname), except the files that all machines share. */
export async function folders(lab: Lab): Promise<string[]> {
  const shared = /^\.(compile-cache|host\.log|owner\.lock|used-codes)/;
  return (await readdir(lab.root)).filter((name) => !shared.test(name)).sort();
}

export type RecordedReport = ProvisionReport & {
  readonly facts: Map<string, CreatedVm>;
  readonly failures: Map<string, string>;
  readonly ended: string[];
};

/** A report that records its calls. */
export function recordReport(): RecordedReport {
  const facts = new Map<string, CreatedVm>();
  const failures = new Map<string, string>();
  const ended: string[] = [];
  return {
    facts,
    failures,
    ended,
    event: () => undefined,
    created: (hostname, fact) => Promise.resolve(void facts.set(hostname, fact)),
    failed: (hostname, reason) => Promise.resolve(void failures.set(hostname, reason)),
    gone: (hostname) => Promise.resolve(void ended.push(hostname)),
    kept: (hostname, reason) => Promise.resolve(void failures.set(hostname, reason)),
  };
}

const NEVER = new AbortController().signal;

/** Launches machines with these hostnames, and waits until the launch has ended. */
export async function launch(
  provider: OpenProvider,
  hostnames: readonly string[],
  report: ProvisionReport = recordReport(),
  { signal = NEVER, force = NEVER }: { signal?: AbortSignal; force?: AbortSignal } = {},
): Promise<ProvisionResult> {
  const vms = hostnames.map((hostname) => ({ hostname, token: `token-of-${hostname}` }));
  return provider.launch({ operationId: 'the-launch', shutdownAt: null, vms }, report, signal, force);
}

export async function destroy(
  provider: OpenProvider,
  hostnames: readonly string[] | 'all',
  report: ProvisionReport = recordReport(),
): Promise<ProvisionResult> {
  return provider.destroy(hostnames, report, NEVER, NEVER);
}

/** Whether a process is running. A zombie, which its parent has not waited for yet, is not. */
export async function isRunning(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  }
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat !== '' && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
}
