// A whole server with a scripted provider, and the requests of tests of launches and destroys.
import { expect, vi } from 'vitest';
import type { components } from '../../src/contract/openapi.gen.ts';
import { createScriptedProvider, type Script, type ScriptedProvider } from '../doubles/scripted-provider.ts';
import { shortIntervals, WAIT } from './operations.ts';
import { ADMIN, startTestServer, type TestServer } from './server.ts';

export type Operation = components['schemas']['Operation'];
type Form = Readonly<Record<string, string>> | null;

export type FleetServer = AsyncDisposable & {
  readonly server: TestServer;
  readonly provider: ScriptedProvider;
  /** The `authorization` header of an admin. */
  readonly auth: Readonly<Record<string, string>>;
  /** Sends a form as a browser does; the response is a page. */
  readonly post: (path: string, form?: Form) => Promise<Response>;
  readonly postJson: (path: string, form?: Form) => Promise<Response>;
  /** Starts a launch, and expects that it is accepted. */
  readonly launch: (numVms: number) => Promise<Operation>;
  readonly page: (path: string) => Promise<string>;
  readonly get: <T>(path: string) => Promise<T>;
  readonly newest: () => Promise<Operation>;
  /** Releases everything that the script holds, and waits until no operation runs. */
  readonly idle: () => Promise<void>;
  /** Like `idle`; also removes the provider's machines and resets its script. The rows stay. */
  readonly forget: () => Promise<void>;
};

/** @param as the name of the provider that the scripted one replaces */
export async function startFleetServer(
  env: Readonly<Record<string, string>> = {},
  as: ScriptedProvider['name'] = 'local',
): Promise<FleetServer> {
  const provider = createScriptedProvider({}, as);
  const fresh: Script = { ...provider.script };
  const server = await startTestServer(
    { DEPLOYMENT: 'lab', ...env },
    { provider, operationIntervals: shortIntervals },
  );
  const auth = {
    authorization: `Basic ${Buffer.from(`${ADMIN.user}:${ADMIN.password}`).toString('base64')}`,
  };
  const send = (path: string, form: Form, accept: string): Promise<Response> =>
    fetch(server.url + path, {
      method: 'POST',
      headers: { ...auth, accept },
      ...(form && { body: new URLSearchParams(form) }),
    });
  const ask = async (path: string): Promise<Response> => {
    const response = await fetch(server.url + path, { headers: auth });
    expect(response.status, path).toBe(200);
    return response;
  };
  const get = async <T>(path: string): Promise<T> => (await (await ask(path)).json()) as T;
  const list = async (): Promise<Operation[]> =>
    (await get<{ items: Operation[] }>('/api/v1/operations?limit=1')).items;
  const idle = async (): Promise<void> => {
    provider.release();
    await vi.waitFor(async () => {
      expect(['queued', 'running']).not.toContain((await list())[0]?.status);
    }, WAIT);
  };
  return {
    server,
    provider,
    auth,
    post: (path, form = null) => send(path, form, 'text/html,application/xhtml+xml,*/*;q=0.8'),
    postJson: (path, form = null) => send(path, form, 'application/json'),
    launch: async (numVms) => {
      const response = await send('/api/launch', { num_vms: String(numVms) }, 'application/json');
      expect(response.status).toBe(202);
      return (await response.json()) as Operation;
    },
    page: async (path) => (await ask(path)).text(),
    get,
    newest: async () => {
      const [operation] = await list();
      if (!operation) throw new Error('there is no operation');
      return operation;
    },
    idle,
    forget: async () => {
      await idle();
      provider.machines.clear();
      Object.assign(provider.script, fresh);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
