// The organiser's day with two allocators on one database, and a clock that the test sets: a launch at 8:00 in another zone after a
// change of daylight saving, people, notifications, a download to a bucket, and a destroy at whose time no server was there.
import { CreateBucketCommand, GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createScriptedProvider } from '../doubles/scripted-provider.ts';
import { openArchive } from '../collect/lab.ts';
import { startMailServer } from '../support/mail-server.ts';
import { motoIsThere, startMoto } from '../support/moto.ts';
import { shortIntervals, WAIT } from '../support/operations.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { startTestServer } from '../support/server.ts';
import { startSshMachine } from '../support/ssh-machine.ts';
import { startWebhookReceiver } from '../support/webhook-receiver.ts';

const LONG_TEST_MS = 90_000;
const CRD = 'DISPLAY= /opt/google/chrome-remote-desktop/start-host --code="4/0Aone" --name=$(hostname)';
const ZONE = 'Europe/Berlin';
const BUCKET = 'lab-work';
/** As the scripted provider creates machines. */
const READY = { address: '127.0.0.1', provisioningSeconds: 1.5 };
const NEWS = { end_soon: true, launch_finished: true, work_not_downloaded: true, schedule_problem: true };

/** Goes on by itself, from wherever it is set. */
function createDayClock(start: string) {
  let aheadMs = 0;
  const clock = {
    now: () => new Date(Date.now() + aheadMs),
    set: (time: string) => void (aheadMs = Date.parse(time) - Date.now()),
  };
  clock.set(start);
  return clock;
}

test.skipIf(!motoIsThere())(
  "an organiser's day: planned before a change of daylight saving, run once, warned of its end, downloaded, and destroyed by a server that was down",
  async () => {
    await using moto = await startMoto();
    for (const [name, value] of Object.entries(moto.env)) vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    const s3 = new S3Client({ forcePathStyle: true });
    onTestFinished(() => s3.destroy());
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    await using mail = await startMailServer();
    await using hook = await startWebhookReceiver();
    await using database = await createTestDatabase();
    const { db } = database;
    const provider = createScriptedProvider();
    // Friday noon: clocks are moved forward on Sunday.
    const clock = createDayClock('2027-03-26T11:00:00Z');
    const start = () =>
      startTestServer(
        {
          ...mail.env,
          SECRET_KEY: 'the secret of both allocators of this database',
          WEBHOOK_ALLOW_PRIVATE: 'true',
          BACKUP_DIR: `s3://${BUCKET}/of/today`,
        },
        {
          ...{ provider, now: clock.now, operationIntervals: shortIntervals },
          scheduleIntervals: { lookMs: 50, busyMs: 50 },
          notifyIntervals: { lookMs: 50, watchMs: 50 },
        },
        database,
      );
    const titles = () => hook.received.map(({ payload }) => payload.type).sort();
    const operations = () =>
      db.selectFrom('operations').select(['kind', 'status', 'requested_by', 'num_vms']).execute();

    {
      await using one = await start();
      await using two = await start();
      for (const body of [
        { kind: 'email', address: 'ada@example.org', ...NEWS },
        { kind: 'webhook', address: hook.url, secret: hook.secret, ...NEWS },
      ] as const)
        await one.admin.POST('/api/v1/notifications/recipients', {
          body,
          headers: { Accept: 'application/json' },
        });
      await two.admin.PATCH('/api/v1/settings', {
        body: { title: 'Tracking', opens_at: '2027-03-29T06:30:00Z', closes_at: '2027-03-29T15:30:00Z' },
      });
      const plan = async (
        server: typeof one,
        body: { kind: 'launch' | 'destroy'; time: string; num_vms?: number; download?: boolean },
      ) => {
        const { data } = await server.admin.POST('/api/v1/schedule', {
          body: { ...body, zone: ZONE },
          headers: { Accept: 'application/json' },
        });
        return data?.due_at;
      };
      expect(await plan(one, { kind: 'launch', time: '2027-03-29T08:00', num_vms: 2 })).toBe(
        '2027-03-29T06:00:00.000Z',
      );
      expect(await plan(two, { kind: 'destroy', time: '2027-03-29T18:00', download: true })).toBe(
        '2027-03-29T16:00:00.000Z',
      );

      // An hour later by the sun, as clocks showed it on Friday, would be too late.
      clock.set('2027-03-29T05:59:50Z');
      expect((await one.admin.GET('/api/v1/overview')).data?.scheduled).toMatchObject([
        { kind: 'launch', state: 'pending' },
      ]);
      expect(await operations()).toEqual([]);
      clock.set('2027-03-29T06:00:00Z');
      await vi.waitFor(async () => expect(await operations()).toMatchObject([{ status: 'succeeded' }]), WAIT);
      expect(await operations()).toEqual([
        { kind: 'launch', status: 'succeeded', requested_by: 'schedule (admin)', num_vms: 2 },
      ]);
      expect(provider.calls.filter((call) => call === 'launch')).toHaveLength(1);

      // The machines are up; people come.
      const machine = await startSshMachine(one.dataDir, { 'thesis.txt': 'work of months' });
      onTestFinished(() => machine[Symbol.asyncDispose]());
      const ssh = { sshUser: machine.user, sshPort: machine.port, sshHostKey: machine.hostKey };
      for (const [hostname, vm] of provider.machines)
        provider.machines.set(hostname, { ...vm, ssh: { ...READY, ...ssh } });
      await db
        .updateTable('vms')
        .set({
          status: 'running',
          ssh_user: machine.user,
          ssh_port: machine.port,
          ssh_host_key: machine.hostKey,
        })
        .execute();
      clock.set('2027-03-29T07:00:00Z');
      const asked = await fetch(`${two.url}/api/request_vm`, {
        method: 'POST',
        headers: { Accept: 'application/json' },
        body: new URLSearchParams({ email: 'grace@example.org', crd_command: CRD }),
      });
      expect(asked.status).toBe(200);
      const { hostname } = (await asked.json()) as { readonly hostname: string };
      const [token] = provider.spec().vms.flatMap((vm) => (vm.hostname === hostname ? [vm.token] : []));
      const { data: delivered } = await one
        .withToken(String(token))
        .POST('/vm_startup', { body: { hostname } });
      expect(delivered).toMatchObject({ status: 'success' });

      // Half an hour before the end.
      clock.set('2027-03-29T15:00:10Z');
      await vi.waitFor(() => expect(titles()).toContain('end.soon'), WAIT);
      await vi.waitFor(
        () => expect(mail.received.map(({ subject }) => subject).join('\n')).toMatch(/30 minutes/),
        WAIT,
      );
    }

    // Nobody is there at 18:00. An hour later a server is back.
    clock.set('2027-03-29T17:00:00Z');
    expect(provider.machines.size).toBe(2);
    await using three = await start();
    await vi.waitFor(
      async () => expect(await operations()).toMatchObject([{}, { kind: 'destroy', status: 'succeeded' }]),
      WAIT,
    );
    expect(provider.machines.size).toBe(0);
    const { data: schedule } = await three.admin.GET('/api/v1/schedule');
    const destroyed = schedule?.items.find(({ kind }) => kind === 'destroy');
    expect(destroyed).toMatchObject({ state: 'done', kept: [], scheduled_by: 'admin' });
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: BUCKET }));
    expect(Contents.map(({ Key = '' }) => `s3://${BUCKET}/${Key}`)).toEqual(destroyed?.archives);
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key: Contents[0]?.Key ?? '' }));
    const zip = await openArchive(Buffer.from((await Body?.transformToByteArray()) ?? []));
    expect(zip.names.filter((name) => name.endsWith('thesis.txt'))).toHaveLength(2);
    expect(zip.manifest.vms.map(({ participant }) => participant).sort()).toEqual([
      'grace@example.org',
      null,
    ]);

    // Each thing was told once, signed, and by e-mail too.
    await vi.waitFor(
      () => expect(titles()).toEqual(['end.soon', 'launch.finished', 'work.not.downloaded']),
      WAIT,
    );
    await vi.waitFor(() => expect(mail.received).toHaveLength(hook.received.length), WAIT);
    const audit = await db.selectFrom('audit_events').select(['who', 'what']).orderBy('id').execute();
    expect(audit.map(({ who, what }) => `${who}: ${what}`)).toEqual([
      'admin: notify-add',
      'admin: notify-add',
      'admin: settings',
      'admin: schedule-add',
      'admin: schedule-add',
      'schedule (admin): launch',
      'schedule (admin): destroy',
      'schedule (admin): schedule-download',
    ]);
  },
  LONG_TEST_MS,
);
