// `make install` and its unit: files in their places, hardening, and an installed allocator that serves, has machines and reports to
// systemd. systemd itself does not run here: a program of its name receives the notices.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { startNotices } from '../../src/app/service-manager.ts';
import { createLablinkClient } from '../../src/client/client.ts';
import { createLog } from '../../src/log.ts';
import { buildInstallation, install, type Installation } from '../support/installation.ts';
import { startCommand } from '../support/program.ts';
import { requirePart } from '../support/required.ts';
import { canCopySystem, runInCopy } from '../support/system-copy.ts';

const root = join(import.meta.dirname, '../..');
const run = promisify(execFile);
const UNIT = 'usr/local/lib/systemd/system/lablink.service';
/** Of systemd-analyze, times ten. */
const MOST_EXPOSURE = 25;
const INSTALL_MS = 120_000;
const RUNS_MS = 60_000;
const analyze = ['/usr/bin/systemd-analyze', '/bin/systemd-analyze'].find((path) => existsSync(path));
const hasSystemd = requirePart('systemd-analyze', analyze !== undefined, 'Install systemd.');

describe('an installation', { timeout: INSTALL_MS }, () => {
  let installed: Installation;
  let folder: string;
  beforeAll(async () => {
    await buildInstallation();
    installed = await install();
    folder = await mkdtemp(join(tmpdir(), 'lablink-installed-'));
    await chmod(folder, 0o711);
  }, INSTALL_MS);
  afterAll(async () => {
    await installed[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  const at = (path: string): string => join(installed.folder, path);

  test.skipIf(!hasSystemd)('has a unit that systemd finds correct, and hardened to at most 2.5', async () => {
    // systemd looks for the program where the unit says it is.
    const unit = join(folder, 'lablink.service');
    await writeFile(
      unit,
      (await readFile(at(UNIT), 'utf8')).replaceAll('=/usr/local/', `=${at('usr/local')}/`),
    );
    await expect(run(analyze!, ['verify', '--man=no', unit])).resolves.toEqual({ stdout: '', stderr: '' });
    const security = await run(analyze!, [
      'security',
      '--offline=true',
      `--threshold=${MOST_EXPOSURE}`,
      unit,
    ]);
    expect(security.stdout).toContain('Overall exposure level');
  });

  test('serves, starts a machine, reports to systemd, and ends when asked', async () => {
    const notices = join(folder, 'notices');
    await writeFile(join(folder, 'systemd-notify'), `#!/bin/sh\necho "$@" >>${notices}\n`, { mode: 0o755 });
    const env = {
      PATH: `${folder}:${process.env['PATH'] ?? ''}`,
      DATA_DIR: join(folder, 'data'),
      PROVIDER: 'local',
      ADMIN_PASSWORD: 'a password of the tests',
      NOTIFY_SOCKET: '/run/systemd/notify',
      WATCHDOG_USEC: '300000',
    };
    await using lablink = startCommand([installed.program, 'serve'], env);
    const baseUrl = await lablink.url();
    const admin = createLablinkClient({ baseUrl, user: 'admin', password: env.ADMIN_PASSWORD });
    await admin.POST('/api/v1/operations', { body: { kind: 'launch', num_vms: 1 } });
    const port = new URL(baseUrl).port;
    const { stdout } = await run(installed.program, ['healthcheck'], { env: { ...env, PORT: port } });
    expect(stdout).toContain('is ready');
    for (const path of ['/', '/openapi.yaml', '/docs', '/api/health'])
      expect((await fetch(baseUrl + path)).status).toBe(200);
    await vi.waitFor(
      async () => {
        const { data } = await admin.GET('/api/v1/vms');
        expect(data?.items.map(({ status }) => status)).toEqual(['running']);
      },
      { timeout: RUNS_MS, interval: 200 },
    );
    await vi.waitFor(async () => expect(await readFile(notices, 'utf8')).toMatch(/^READY=1\nWATCHDOG=1\n/), {
      timeout: RUNS_MS,
      interval: 100,
    });
    lablink.child.kill('SIGTERM');
    expect(await lablink.ended).toBe(0);
  });

  test('puts everything below another PREFIX, and takes it away again', async () => {
    await using other = await install('/opt/lab');
    const below = (path: string): string => join(other.folder, path);
    const unit = await readFile(below('opt/lab/lib/systemd/system/lablink.service'), 'utf8');
    expect(unit).toContain('ExecStart=/opt/lab/lib/lablink/bin/lablink serve\n');
    expect(unit).not.toContain('/usr/local');
    expect(await readFile(below('opt/lab/bin/lablink'), 'utf8')).toContain(
      ' /opt/lab/lib/lablink/bin/lablink "$@"\n',
    );
    expect(await stat(below('var/lib/lablink'))).toMatchObject({ mode: 0o40700 });
    expect(await stat(below('var/cache/lablink'))).toMatchObject({ mode: 0o40755 });
    const { stdout } = await run(other.program, ['--version']);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
    expect(existsSync(below('opt/lab/share/doc/lablink/operations.md'))).toBe(true);
    expect(existsSync(below('usr'))).toBe(false);
    await other.uninstall();
    for (const path of [
      'bin/lablink',
      'lib/lablink',
      'lib/systemd/system/lablink.service',
      'share/doc/lablink',
    ])
      expect(existsSync(below(`opt/lab/${path}`)), path).toBe(false);
  });

  test.skipIf(!canCopySystem)(
    'makes the user, and folders that this user can use before the first start; PURGE removes all',
    async () => {
      const output = await runInCopy(`
      make --silent --old-file=bundle install
      getent passwd lablink
      stat --format '%n %U:%G %a' /var/lib/lablink /var/cache/lablink /etc/lablink /etc/lablink/lablink.env
      setpriv --reuid lablink --regid lablink --clear-groups sh -c 'touch /var/lib/lablink/x /var/cache/lablink/x'
      make --silent --old-file=bundle install
      make --silent uninstall
      stat --format '%n stays' /var/lib/lablink/x /etc/lablink/lablink.env
      getent passwd lablink >/dev/null && echo the user stays
      make --silent uninstall PURGE=yes
      ls -d /var/lib/lablink /var/cache/lablink /etc/lablink 2>/dev/null || echo nothing stays
      getent passwd lablink || echo no user
      cat $calls`);
      expect(output.split('\n')).toEqual([
        'Installed in /usr/local. Settings: /etc/lablink/lablink.env. Start it: systemctl enable --now lablink',
        expect.stringMatching(/^lablink:x:\d+:\d+::\/var\/lib\/lablink:\/usr\/sbin\/nologin$/),
        '/var/lib/lablink lablink:lablink 700',
        '/var/cache/lablink lablink:lablink 755',
        '/etc/lablink root:root 755',
        '/etc/lablink/lablink.env root:root 600',
        expect.stringMatching(/^Installed in/),
        expect.stringMatching(/^Removed. Settings in/),
        '/var/lib/lablink/x stays',
        '/etc/lablink/lablink.env stays',
        'the user stays',
        'Removed, with all settings and data.',
        'nothing stays',
        'no user',
        'daemon-reload',
        'daemon-reload',
        'disable --now lablink',
        'daemon-reload',
        'disable --now lablink',
        'daemon-reload',
        '',
      ]);
    },
  );

  test.skipIf(!canCopySystem)(
    'gives root a command that runs as the unit does, and refuses everybody else',
    async () => {
      const output = await runInCopy(`
      make --silent --old-file=bundle install >&2
      printf '#!/bin/sh\\nprintf "%%s\\\\n" "$@"\\nexit 3\\n' >$bin/systemd-run
      chmod +x $bin/systemd-run
        lablink backup 'a file' || echo "exit $?"
      setpriv --reuid lablink --regid lablink --clear-groups lablink check-config 2>&1 || echo "exit $?"`);
      const unit = await readFile(join(root, 'deploy/lablink.service'), 'utf8');
      const names = ['User', 'Group', 'Environment', 'EnvironmentFile', 'WorkingDirectory', 'UMask'];
      const same = unit.split('\n').filter((line) => names.includes(line.split('=', 1)[0] ?? ''));
      expect(same).toHaveLength(names.length);
      expect(output.trim().split('\n')).toEqual([
        ...['--pty', '--pipe', '--wait', '--collect', '--quiet'],
        ...[...same, 'SupplementaryGroups=systemd-journal'].flatMap((line) => ['-p', line]),
        ...['/usr/local/lib/lablink/bin/lablink', 'backup', 'a file', 'exit 3'],
        expect.stringMatching(/^lablink needs .* Use: sudo lablink check-config$/),
        'exit 1',
      ]);
    },
  );

  // Last: it removes what the others use.
  test('keeps settings and data when it is uninstalled, unless it is asked to remove them', async () => {
    expect((await stat(at('etc/lablink/lablink.env'))).mode & 0o777).toBe(0o600);
    await writeFile(at('etc/lablink/lablink.env'), 'PROVIDER=external\n');
    await installed.uninstall();
    for (const path of ['usr/local/bin/lablink', 'usr/local/lib/lablink', UNIT])
      expect(existsSync(at(path))).toBe(false);
    expect(await readFile(at('etc/lablink/lablink.env'), 'utf8')).toBe('PROVIDER=external\n');
    await installed.uninstall('PURGE=yes');
    expect(existsSync(at('etc/lablink'))).toBe(false);
  });
});

describe('the reports to systemd', () => {
  test('stop while the database hangs, and a failed report does not end them', async () => {
    vi.useFakeTimers();
    try {
      const sent: string[] = [];
      let hangs = false;
      const stop = await startNotices({
        notify: (notice) => {
          sent.push(notice);
          return notice === 'READY=1' ? Promise.reject(new Error('no systemd')) : Promise.resolve();
        },
        hangs: () => Promise.resolve(hangs),
        log: createLog({ level: 'silent' }),
        everyMs: 1_000,
      });
      await vi.advanceTimersByTimeAsync(2_000);
      expect(sent).toEqual(['READY=1', 'WATCHDOG=1', 'WATCHDOG=1']);
      hangs = true;
      await vi.advanceTimersByTimeAsync(3_000);
      expect(sent).toHaveLength(3);
      hangs = false;
      await vi.advanceTimersByTimeAsync(1_000);
      expect(sent).toHaveLength(4);
      stop();
      await vi.advanceTimersByTimeAsync(3_000);
      expect(sent).toHaveLength(4);
    } finally {
      vi.useRealTimers();
    }
  });
});
