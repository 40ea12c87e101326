// The boot of a client VM: the GPU, and the start-up script in an image of a published LabLink version.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BOOT_MS, startBootLab, type BootLab } from './boot-lab.ts';
import { createBareMachine } from './machine.ts';

let lab: BootLab;

beforeAll(async () => {
  lab = await startBootLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

describe('the GPU of a machine', () => {
  test(
    'the container gets no GPU if the image has no driver, and the log says it',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine({ hasDriver: false });
      const boot = await machine.boot(lab.specOf(), lab.machineOf(it, { nvidia: true }));
      expect(boot.code).toBe(0);
      expect(boot.output).toContain('its image (AMI) has no driver');
      expect((await machine.calls()).find((call) => call.startsWith('docker run'))).not.toContain('--gpus');
    },
    BOOT_MS,
  );

  test(
    'the container gets the GPU without a runtime if Docker has no NVIDIA runtime',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      await machine.set('no-nvidia-runtime');
      expect((await machine.boot(lab.specOf(), lab.machineOf(it, { nvidia: true }))).code).toBe(0);
      const started = (await machine.calls()).find((call) => call.startsWith('docker run'));
      expect(started).toContain('--gpus all');
      expect(started).not.toContain('--runtime');
    },
    BOOT_MS,
  );
});

describe('the start-up script in a published LabLink image, which runs it by itself', () => {
  const awkward = `#!/bin/bash\nprintf '%s\\n' "It's \\$HOME: \${VM_NAME} \\\\ äöü" >&2\n`;
  const withScript = (content: string, onError: 'continue' | 'fail') =>
    lab.specOf({ startupScript: { content, onError } });

  test(
    'the start-up script arrives unchanged and runs once, and the machine is free when it has ended',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      await machine.set('runs-scripts');
      const content = `${awkward}sleep 1\n`;
      const boot = await machine.boot(withScript(content, 'fail'), lab.machineOf(it));
      expect(boot.code).toBe(0);
      expect(await machine.read('root/var/lib/lablink/startup/script')).toBe(content);
      expect(await machine.read('root/var/lib/lablink/startup/exit')).toBe('0\n');
      expect(await machine.read('stand-in/container.log')).toBe(`It's $HOME: ${it.hostname} \\ äöü\n`);
      expect(await machine.read('stand-in/environment')).toContain('STARTUP_ON_ERROR=fail\n');
      expect(await lab.status(it)).toBe('running');
      const { mode } = await stat(join(machine.root, 'var/lib/lablink/custom-startup.sh'));
      expect(mode & 0o777).toBe(0o755);
    },
    BOOT_MS,
  );

  test(
    'a start-up script that fails at first runs again until it succeeds, and the machine is free',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      await machine.set('runs-scripts');
      const mark = join(machine.root, 'tried');
      const content = `if [ "$(cat ${mark} 2>/dev/null)" != xx ]; then printf x >>${mark}; exit 7; fi; echo ready`;
      const boot = await machine.boot(withScript(content, 'fail'), lab.machineOf(it));
      expect(boot.code).toBe(0);
      expect(await machine.read('stand-in/container.log')).toBe(
        'The start-up script failed (exit status 7). It runs again in 0 s.\n'.repeat(2) + 'ready\n',
      );
      expect(await lab.status(it)).toBe('running');
    },
    BOOT_MS,
  );

  test(
    'a failed start-up script is ignored with on_error: continue',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      await machine.set('runs-scripts');
      const boot = await machine.boot(withScript('exit 7', 'continue'), lab.machineOf(it));
      expect(boot.code).toBe(0);
      expect(boot.output).toContain('The start-up script failed (exit status 7). Continuing.');
      const lines = (await machine.read('stand-in/container.log')).split('\n');
      expect(lines.filter((line) => line.startsWith('ERROR:'))).toEqual([
        'ERROR: The start-up script failed 3 times, the last time with exit status 7.',
      ]);
      expect(await lab.status(it)).toBe('running');
    },
    BOOT_MS,
  );

  test(
    'a failed start-up script stops the container and makes the machine an error with on_error: fail',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      await machine.set('runs-scripts');
      const boot = await machine.boot(withScript('echo no space; exit 7', 'fail'), lab.machineOf(it));
      expect(boot.code).toBe(1);
      expect(await lab.status(it)).toBe('error');
      expect(await lab.logs(it)).toContain(
        'Boot failed at: running the start-up script: the script failed (exit status 7)',
      );
      expect(await machine.calls()).toContain('docker stop lablink');
    },
    BOOT_MS,
  );

  test(
    'the boot waits only a limited time for an image that does not run the start-up script',
    async () => {
      const it = await lab.launched();
      await using machine = await createBareMachine();
      const boot = await machine.boot(withScript('true', 'continue'), lab.machineOf(it), {
        LABLINK_RETRY_SECONDS: '3',
      });
      expect(boot.output).toContain('The image does not run start-up scripts');
      expect(boot.code).toBe(0);
      expect(await lab.status(it)).toBe('running');
    },
    BOOT_MS,
  );
});
