// A workshop's minute, over HTTP against a whole server: more people than machines while reports pour in, many log
// pushes at once, a restart in between, and tokens that are good for one hostname alone.
import { describe, expect, test } from 'vitest';
import { asForm, type LablinkClient } from '../../src/client/client.ts';
import { operationList } from '../../src/contract/erased.ts';
import { insertFreeVms, vmNames } from '../support/rows.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

async function ask(
  client: LablinkClient,
  email: string,
): Promise<{ hostname: string; pin: string } | string> {
  const { data, error } = await client.POST('/api/request_vm', {
    body: { email, crd_command: `--code=4/0A${email.replace(/\W/g, '_')}` },
    ...asForm,
    headers: { ...asForm.headers, Accept: 'application/json' },
  });
  if (typeof data === 'object') return data;
  return typeof error === 'object' ? error.code : String(error);
}

describe('a crowd', { timeout: 60_000 }, () => {
  test('of 90 people on 60 free machines, while reports pour in, is given 60 different ones and 30 are told', async () => {
    await using server = await startTestServer();
    const names = vmNames(60);
    await insertFreeVms(server.db, names);
    const done = new AbortController();
    const reports = Promise.all(names.map((hostname) => keepReporting(server, hostname, done.signal)));
    const answers = await Promise.all(
      Array.from({ length: 90 }, (_, index) => ask(server.client, `person${index}@example.org`)),
    );
    done.abort();
    const sent = (await reports).reduce((sum, count) => sum + count, 0);
    const given = answers.flatMap((answer) => (typeof answer === 'string' ? [] : [answer.hostname]));
    expect(given).toHaveLength(60);
    expect(new Set(given)).toEqual(new Set(names));
    expect(answers.filter((answer) => answer === 'none_free')).toHaveLength(30);
    expect(sent).toBeGreaterThan(60);
  });

  test('of 200 log pushes to one machine leaves every line there, once', async () => {
    await using server = await startTestServer();
    await insertFreeVms(server.db, ['a']);
    const pushes = Array.from({ length: 200 }, (_, push) => [`push ${push} line 1`, `push ${push} line 2`]);
    const statuses = await Promise.all(
      pushes.map(async (messages) => {
        const { response } = await server.client.POST('/api/vm-logs', {
          body: { log_group: 'g', log_stream: 'a', messages },
        });
        return response.status;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set([200]));
    const { data } = await server.admin.GET('/api/vm-logs/{hostname}', {
      params: { path: { hostname: 'a' } },
    });
    expect(data?.logs.split('\n').sort()).toEqual(pushes.flat().sort());
    expect(data).toMatchObject({ lines: 400, lines_cut: 0 });
  });
});

/** Statuses, in-use and heartbeats of one machine until the signal; how many were sent. */
async function keepReporting({ client }: TestServer, hostname: string, signal: AbortSignal): Promise<number> {
  let sent = 0;
  for (; !signal.aborted; sent += 3) {
    await client.POST('/api/vm-status', { body: { hostname, status: 'running' } });
    await client.POST('/api/update_inuse_status', { body: { hostname, status: sent % 2 === 0 } });
    await client.POST('/api/v1/vms/{hostname}/heartbeat', {
      params: { path: { hostname } },
      body: { boot_id: 'boot', free_disk_bytes: sent },
    });
  }
  return sent;
}

describe('a restart of the server', { timeout: 60_000 }, () => {
  test('costs nobody a seat, a token or a poll', async () => {
    await using server = await startTestServer();
    const { data: registered } = await server.admin.POST('/api/v1/vms', { body: { hostname: 'own' } });
    const token = registered?.token ?? '';
    await server.withToken(token).POST('/api/vm-status', { body: { hostname: 'own', status: 'running' } });
    await insertFreeVms(server.db, ['taken']);
    // Nobody waits on `own` yet: the first person gets the machine that was seen lately, the other one the rest.
    const seats = [await ask(server.client, 'ada@example.org')];
    const told = pollLikeTheField(() => server.withToken(token), 'own');
    await server.restart();
    const { data } = await server.admin.GET('/api/v1/vms', { params: { query: { assigned: true } } });
    expect(data?.items.map(({ hostname, assignment }) => ({ hostname, pin: assignment?.pin }))).toEqual(
      seats.map((seat) => ({
        hostname: (seat as { hostname: string }).hostname,
        pin: (seat as { pin: string }).pin,
      })),
    );
    await Promise.all([ask(server.client, 'bob@example.org'), ask(server.client, 'eve@example.org')]);
    expect(await told).toMatchObject({ status: 'success' });
  });
});

/** As the field's programs do: any answer but success, or a cut connection, and they ask again. */
async function pollLikeTheField(client: () => LablinkClient, hostname: string): Promise<unknown> {
  for (;;) {
    const answer = await client()
      .POST('/vm_startup', { body: { hostname } })
      .catch(() => null);
    if (answer?.data) return answer.data;
  }
}

describe("a VM's token", { timeout: 60_000 }, () => {
  /** Every operation that a VM token opens, with a request that names this host. */
  const requests: Record<
    string,
    (client: LablinkClient, hostname: string) => Promise<{ response: Response }>
  > = {
    vmStartup: (client, hostname) => client.POST('/vm_startup', { body: { hostname } }),
    updateInUseStatus: (client, hostname) =>
      client.POST('/api/update_inuse_status', { body: { hostname, status: true } }),
    updateGpuHealth: (client, hostname) =>
      client.POST('/api/gpu_health', { body: { hostname, gpu_status: 'Healthy' } }),
    updateVmStatus: (client, hostname) =>
      client.POST('/api/vm-status', { body: { hostname, status: 'running' } }),
    postVmMetrics: (client, hostname) =>
      client.POST('/api/vm-metrics/{hostname}', {
        params: { path: { hostname } },
        body: { cloud_init_start: 1 },
      }),
    postVmLogs: (client, hostname) =>
      client.POST('/api/vm-logs', { body: { log_group: 'g', log_stream: hostname, messages: ['x'] } }),
    postHeartbeat: (client, hostname) =>
      client.POST('/api/v1/vms/{hostname}/heartbeat', {
        params: { path: { hostname } },
        body: { boot_id: 'b' },
      }),
    postRecycled: (client, hostname) =>
      client.POST('/api/v1/vms/{hostname}/recycled', {
        params: { path: { hostname } },
        body: { assignment_id: null },
      }),
    postOutcome: (client, hostname) =>
      client.POST('/api/v1/assignments/{id}/outcome', {
        params: { path: { id: '00000000-0000-4000-8000-000000000000' } },
        body: { hostname, outcome: 'registered' },
      }),
  };

  test('is asked of every operation that lists it', () => {
    const listing = operationList.filter(({ security }) =>
      security.some((schemes) => schemes.includes('vmToken')),
    );
    expect(Object.keys(requests).sort()).toEqual(listing.map(({ id }) => id as string).sort());
  });

  test.each(['open', 'required'])(
    'is good for its own hostname alone, whichever field or path names it (VM_AUTH=%s)',
    async (mode) => {
      await using server = await startTestServer({ VM_AUTH: mode, POLL_MAX_SECONDS: '1' });
      const token = async (hostname: string) =>
        (await server.admin.POST('/api/v1/vms', { body: { hostname } })).data?.token ?? '';
      const own = server.withToken(await token('own'));
      await token('other');
      for (const [name, send] of Object.entries(requests)) {
        const status = async (client: LablinkClient, hostname: string) =>
          (await send(client, hostname)).response.status;
        expect([name, await status(own, 'other')]).toEqual([name, 401]);
        expect([name, await status(server.withToken('lvt_invented'), 'own')]).toEqual([name, 401]);
        const mine = await status(own, 'own');
        expect([name, [200, 404, 409, 503].includes(mine)]).toEqual([name, true]);
        const without = await status(server.client, 'own');
        expect([name, without === 401]).toEqual([name, mode === 'required']);
      }
      const { data } = await server.admin.GET('/api/v1/vms/{hostname}', {
        params: { path: { hostname: 'other' } },
      });
      expect(data).toMatchObject({
        status: 'initializing',
        in_use: null,
        gpu_health: null,
        last_seen_at: null,
      });
    },
  );

  test('keeps an invented hostname out of the pool where it is required', async () => {
    await using server = await startTestServer({ VM_AUTH: 'required' });
    const { response } = await server.client.POST('/api/vm-status', {
      body: { hostname: 'invented', status: 'running' },
    });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('Bearer');
    expect((await server.client.GET('/api/unassigned_vms_count')).data).toEqual({ count: 0 });
  });
});
