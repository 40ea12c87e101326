// The boot of a client VM, for real: its user data run by bash against a running allocator, with stand-ins for what would
// change this machine. The way that goes well, the end that is armed, and what fails.
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startRelay } from '../agent/relay.ts';
import { BOOT_MS, startBootLab, type BootLab } from './boot-lab.ts';
import { createBareMachine } from './machine.ts';

/** A port on which nobody listens. */
const NOBODY = 'http://127.0.0.1:9';
const END_PLUS_GRACE = Date.parse('2100-01-01T12:30:00.000Z') / 1_000;

let lab: BootLab;

beforeAll(async () => {
  lab = await startBootLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

describe('a successful boot', () => {
  test(
    'a boot reports, sends logs, starts the container with its environment, and reports its timings',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      const container = {
        image: 'ghcr.io/example/client:1',
        repository: 'https://example.org/r.git',
        software: 'sl"e\'ap $x',
      };
      const boot = await machine.boot(lab.specOf({ container }), lab.machineOf(it, { nvidia: true }));
      expect(boot.output).toMatch(/Done\.\n$/);
      expect(boot.code).toBe(0);
      expect(await lab.status(it)).toBe('running');
      const told = await lab.timings(it);
      expect(told?.cloud_init_seconds).toBeGreaterThanOrEqual(0);
      expect(told?.container_seconds).toBeGreaterThanOrEqual(0);
      const calls = await machine.calls();
      expect(calls.find((call) => call.startsWith('docker run'))).toBe(
        'docker run --detach --name lablink --restart unless-stopped --network host --runtime=nvidia --gpus all ' +
          '--env ALLOCATOR_HOST --env ALLOCATOR_URL --env TUTORIAL_REPO_TO_CLONE --env VM_NAME ' +
          '--env SUBJECT_SOFTWARE --env CLOUD_INIT_LOG_GROUP --env AWS_REGION --env STARTUP_ON_ERROR ' +
          '--env API_TOKEN ghcr.io/example/client:1',
      );
      expect((await machine.read('stand-in/environment')).split('\n').slice(0, -1)).toEqual([
        'ALLOCATOR_HOST=127.0.0.1',
        `ALLOCATOR_URL=${lab.server.url}`,
        'TUTORIAL_REPO_TO_CLONE=https://example.org/r.git',
        `VM_NAME=${it.hostname}`,
        `SUBJECT_SOFTWARE=${container.software}`,
        'CLOUD_INIT_LOG_GROUP=/lablink/prod',
        'AWS_REGION=us-west-2',
        'STARTUP_ON_ERROR=continue',
        `API_TOKEN=${it.token}`,
      ]);
      expect(calls.some((call) => call.startsWith('amazon-cloudwatch-agent-ctl -a fetch-config'))).toBe(true);
      const config: unknown = JSON.parse(
        await machine.read('root/opt/aws/amazon-cloudwatch-agent/etc/lablink.json'),
      );
      expect(config).toEqual({
        agent: { region: 'us-west-2' },
        logs: {
          logs_collected: {
            files: {
              collect_list: [
                {
                  file_path: '/var/log/cloud-init-output.log',
                  log_group_name: '/lablink/prod',
                  log_stream_name: it.hostname,
                },
              ],
            },
          },
        },
      });
      expect(boot.output).not.toContain(it.token);
      expect(calls.join('\n')).not.toContain(it.token);
    },
    BOOT_MS,
  );

  test(
    'the container gets no variables that the config leaves out, and no GPU that the machine does not have',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      expect((await machine.boot(lab.specOf(), lab.machineOf(it))).code).toBe(0);
      const started = (await machine.calls()).find((call) => call.startsWith('docker run')) ?? '';
      for (const absent of ['nvidia', '--gpus', 'TUTORIAL_REPO', 'SUBJECT_SOFTWARE', '--mount'])
        expect(started).not.toContain(absent);
      expect(await machine.calls()).not.toContain('nvidia-smi ');
    },
    BOOT_MS,
  );

  test(
    'a boot retries its report until the allocator is available',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      await using relay = await startRelay(() => lab.server.url);
      relay.cut();
      const seen = watchFor(machine, 'docker run').then(() => relay.restore());
      // The first status is given up after a tenth of the patience; the boot goes on, and the last one gets through.
      const boot = await machine.boot(lab.specOf({}, relay.url), lab.machineOf(it), {
        LABLINK_RETRY_SECONDS: '30',
      });
      await seen;
      expect(boot.output).toContain('The allocator did not answer /api/vm-status in time (000).');
      expect(boot.code).toBe(0);
      expect(await lab.status(it)).toBe('running');
      expect((await lab.timings(it))?.cloud_init_seconds).toBeGreaterThanOrEqual(0);
    },
    BOOT_MS,
  );

  test(
    'the CloudWatch agent is installed if the image lacks it, and a failure does not stop the boot',
    async () => {
      const [fails, works] = [await lab.launched(), await lab.launched()];
      const site = createServer((request, response) => response.end(`the package ${request.url ?? ''}`));
      await listen(site);
      const { port } = site.address() as AddressInfo;
      await using without = await createBareMachine();
      await using withSite = await createBareMachine();
      for (const machine of [without, withSite])
        await machine.run('/bin/rm', ['-r', join(machine.root, 'opt')]);
      const given = await withSite.boot(lab.specOf(), lab.machineOf(works), {
        LABLINK_CLOUDWATCH_SITE: `http://127.0.0.1:${port}`,
      });
      site.close();
      expect(given.code).toBe(0);
      const calls = await withSite.calls();
      expect(calls.some((call) => call.startsWith('dpkg --install'))).toBe(true);
      expect(calls.some((call) => call.startsWith('amazon-cloudwatch-agent-ctl'))).toBe(true);
      const lost = await without.boot(lab.specOf(), lab.machineOf(fails), {
        LABLINK_CLOUDWATCH_SITE: NOBODY,
      });
      expect(lost.output).toContain('The CloudWatch agent does not run');
      expect(await lab.status(fails)).toBe('running');
    },
    BOOT_MS,
  );
});

describe('the shutdown timer', () => {
  test(
    'the shutdown is scheduled first, after the grace period, and can be rescheduled by one command',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      await machine.set('docker-down');
      await machine.boot(lab.specOf(), lab.machineOf(it));
      const timer = () => machine.read('root/etc/systemd/system/lablink-end.timer');
      expect(await timer()).toContain('OnCalendar=2100-01-01 12:30:00 UTC\n');
      expect(await timer()).toContain('Persistent=true');
      expect(await machine.read('root/etc/systemd/system/lablink-end.service')).toContain(
        'ExecStart=/sbin/shutdown -P now',
      );
      const armed = [
        'systemctl daemon-reload',
        'systemctl enable --quiet lablink-end.timer',
        'systemctl restart lablink-end.timer',
      ];
      expect((await machine.calls()).slice(0, 3)).toEqual(armed);
      const command = join(machine.root, 'usr/local/sbin/lablink-end');
      const again = await machine.run(command, [String(END_PLUS_GRACE + 3_600)]);
      expect(again).toEqual({ code: 0, output: 'This machine shuts down at 2100-01-01 13:30:00 UTC.\n' });
      expect(await timer()).toContain('OnCalendar=2100-01-01 13:30:00 UTC\n');
      expect((await machine.calls()).slice(-3)).toEqual(armed);
      for (const wrong of [[], ['soon'], ['-1'], ['1; reboot'], ['1', '2']])
        expect((await machine.run(command, wrong)).code).toBe(2);
    },
    BOOT_MS,
  );

  test(
    'a past shutdown time means in one minute, and without a time there is no timer',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      await machine.set('docker-down');
      await machine.boot(lab.specOf(), lab.machineOf(it, { shutdownAt: null }));
      expect((await machine.calls()).filter((call) => call.startsWith('systemctl'))).toEqual([]);
      const { output } = await machine.run(join(machine.root, 'usr/local/sbin/lablink-end'), ['1000']);
      const when = Date.parse(`${/shuts down at (.*) UTC/.exec(output)?.[1] ?? ''}Z`);
      expect(when).toBeGreaterThan(Date.now());
      expect(when).toBeLessThan(Date.now() + 120_000);
    },
    BOOT_MS,
  );

  test(
    'a machine that cannot schedule its shutdown is an error, because it would cost money',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      await machine.set('no-systemd');
      expect((await machine.boot(lab.specOf(), lab.machineOf(it))).code).toBe(1);
      expect(await lab.status(it)).toBe('error');
      expect(await lab.logs(it)).toContain('Boot failed at: scheduling the shutdown');
      expect((await machine.calls()).some((call) => call.startsWith('docker'))).toBe(false);
    },
    BOOT_MS,
  );
});

describe('a failed boot', () => {
  const failures: readonly {
    readonly what: string;
    readonly control: readonly [name: string, content?: string];
    readonly nvidia?: boolean;
    readonly step: string;
    readonly line: string;
  }[] = [
    {
      what: 'an image that cannot be pulled',
      control: ['pull-fails', '99'],
      step: 'pulling the image ghcr.io/example/client:1',
      line: 'manifest for "ghcr.io/example/client:1" not found',
    },
    {
      what: 'a machine image without Docker',
      control: ['docker-down'],
      step: 'checking Docker: Docker does not run; use an image (AMI) with Docker',
      line: 'Cannot connect to the Docker daemon.',
    },
    {
      what: 'a GPU that does not work',
      control: ['nvidia-smi-fails'],
      nvidia: true,
      step: 'checking the GPU: nvidia-smi failed: the GPU or its driver does not work',
      line: 'nvidia-smi: broken',
    },
    {
      what: 'a container that stops at once',
      control: ['container-ends'],
      step: 'starting the container: the container stopped by itself',
      line: 'the last words of the container',
    },
  ];
  test.each(failures)(
    'a boot that meets $what is reported as an error with its step and its last lines',
    async ({ control: [name, content], nvidia, step, line }) => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      await machine.set(name, content);
      const boot = await machine.boot(lab.specOf(), lab.machineOf(it, { nvidia: nvidia ?? false }));
      expect(boot.code).not.toBe(0);
      expect(boot.output).toContain(`Boot failed at: ${step} (exit status`);
      expect(await lab.status(it)).toBe('error');
      const said = (await lab.logs(it)).split('\n');
      expect(said[0]).toBe(`Boot failed at: ${step}. The last lines:`);
      expect(said.some((one) => one.includes(line))).toBe(true);
    },
    BOOT_MS,
  );

  test(
    'a pull that succeeds at the third attempt is not a failure',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      await machine.set('pull-fails', '2');
      expect((await machine.boot(lab.specOf(), lab.machineOf(it))).code).toBe(0);
      expect((await machine.calls()).filter((call) => call.startsWith('docker pull'))).toHaveLength(3);
      expect(await lab.status(it)).toBe('running');
    },
    BOOT_MS,
  );
});

async function watchFor(machine: { calls(): Promise<string[]> }, beginning: string): Promise<void> {
  const isThere = async () => {
    const calls = await machine.calls().catch(() => []);
    return calls.some((call) => call.startsWith(beginning));
  };
  await expect.poll(isThere, { timeout: BOOT_MS, interval: 50 }).toBe(true);
}

async function listen(site: Server): Promise<void> {
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
}
