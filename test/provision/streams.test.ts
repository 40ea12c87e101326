// The event streams of running operations and changing machines, with a scripted provider.
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { startFleetServer, type FleetServer, type Operation } from '../support/fleet-server.ts';
import { WAIT } from '../support/operations.ts';
import { readEvents } from '../support/sse.ts';

let lab: FleetServer;

beforeAll(async () => {
  lab = await startFleetServer();
});
afterAll(() => lab[Symbol.asyncDispose]());
beforeEach(async () => {
  await lab.idle();
  lab.provider.calls.length = 0;
});

describe('event streams', () => {
  const textsOf = (events: readonly { event: string; data: unknown }[]) =>
    events.flatMap(({ event, data }) => (event === 'output' ? [(data as { text: string }).text] : []));

  test('the stream of an operation sends its output, its progress and its end', async () => {
    lab.provider.script.holdAfter = 1;
    const { id } = await lab.launch(2);
    await using stream = await readEvents(`${lab.server.url}/api/v1/operations/${id}/events`, lab.auth);
    const before = await stream.until(
      ({ event, data }) => event === 'operation' && (data as Operation).progress.done === 1,
    );
    lab.provider.release();
    const after = await stream.until(({ event }) => event === 'end');
    expect(after.at(-1)?.data).toMatchObject({ id, status: 'succeeded', progress: { done: 2 } });
    expect(await stream.next()).toBeNull();
    expect(textsOf([...before, ...after]).at(-1)).toBe('Done.');
  });

  test('a client that comes back after the end is told that nothing is left, so that an EventSource stops', async () => {
    const { id } = await lab.launch(1);
    await lab.idle();
    const url = `${lab.server.url}/api/v1/operations/${id}/events`;
    await using stream = await readEvents(url, lab.auth);
    const end = (await stream.until(({ event }) => event === 'end')).at(-1);
    const answer = await fetch(url, { headers: { ...lab.auth, 'Last-Event-ID': end?.id ?? '' } });
    expect(answer.status).toBe(204);
    expect(await answer.text()).toBe('');
    // Who has the last line but not the end gets the end.
    const lines = await (await fetch(`${url}?after=1000000000`, { headers: lab.auth })).text();
    expect(lines).toContain('event: end\nid: end\n');
  });

  test('a stream resumes after the last event without loss or repetition', async () => {
    await lab.launch(5);
    await lab.idle();
    const { id } = await lab.newest();
    const url = `${lab.server.url}/api/v1/operations/${id}/events`;
    await using whole = await readEvents(url, lab.auth);
    const all = textsOf(await whole.until(({ event }) => event === 'end'));
    const seen: string[] = [];
    let last: string | null = null;
    for (let ended = false; !ended;) {
      const headers: Record<string, string> =
        last === null ? lab.auth : { ...lab.auth, 'last-event-id': last };
      await using part = await readEvents(url, headers);
      for (let lines = 0; lines < 2 && !ended; lines += 1) {
        const event = await part.next();
        ended = event?.event === 'end';
        if (event?.event !== 'output') continue;
        seen.push(...textsOf([event]));
        last = event.id;
      }
    }
    expect(seen).toEqual(all);
    expect(all.length).toBeGreaterThan(6);
  });

  test('the stream of machines sends only what changes', async () => {
    await lab.server.client.POST('/api/vm-status', { body: { hostname: 'lab-pc-7', status: 'running' } });
    await using stream = await readEvents(`${lab.server.url}/api/v1/vms/events`, lab.auth);
    const first = await stream.next();
    const { all } = first?.data as { all: string[] };
    expect(first).toMatchObject({ event: 'vms', data: { gone: [] } });
    expect(all).toContain('lab-pc-7');
    await lab.server.client.POST('/api/vm-status', { body: { hostname: 'lab-pc-7', status: 'error' } });
    expect(await stream.next()).toMatchObject({
      event: 'vms',
      data: { all: null, changed: [{ hostname: 'lab-pc-7', status: 'error' }], gone: [] },
    });
  });

  test('one stream can carry an operation and the machines, and resumes both', async () => {
    lab.provider.script.holdAfter = 0;
    const { id } = await lab.launch(1);
    const url = `${lab.server.url}/api/v1/operations/${id}/events?vms=true`;
    const { hostname } = await vi.waitFor(() => {
      const machine = lab.provider.spec().vms[0];
      expect(lab.provider.calls).toContain('launch');
      if (!machine) throw new Error('no machine');
      return machine;
    }, WAIT);
    await using first = await readEvents(url, lab.auth);
    const seen = await first.until(
      ({ event, data }) => event === 'vms' && (data as { all: string[] }).all.includes(hostname),
    );
    const last = seen.at(-1)?.id ?? '';
    const before = textsOf(seen);
    expect(last).toMatch(/^\d+-\d+$/);
    lab.provider.release();
    await using stream = await readEvents(url, { ...lab.auth, 'last-event-id': last });
    const events = await stream.until(({ event }) => event === 'end');
    const again = textsOf(events).filter((text) => before.includes(text));
    expect(again).toEqual([]);
    expect(textsOf(events)).toContain('Done.');
    await lab.server.client.POST('/api/vm-status', {
      body: { hostname: 'lab-pc-7', status: 'initializing' },
    });
    const change = await stream.until(({ event, data }) =>
      JSON.stringify({ event, data }).includes(
        '"hostname":"lab-pc-7","provider":"external","status":"initializing"',
      ),
    );
    expect(change.at(-1)?.event).toBe('vms');
  });

  test('the stream of an unknown operation is 404, and streams need credentials', async () => {
    const url = `${lab.server.url}/api/v1/operations/${crypto.randomUUID()}/events`;
    await using unknown = await readEvents(url, lab.auth);
    expect(unknown.status).toBe(404);
    await using nobody = await readEvents(url);
    expect(nobody.status).toBe(401);
  });
});
