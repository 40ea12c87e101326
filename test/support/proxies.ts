// Caddy and nginx from Debian's packages in front of a server, with the samples of deploy/. Caddy is a certificate authority of its own
// for `localhost`; nginx uses the certificate that it issued.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';

const CADDY = ['/usr/bin/caddy', '/usr/local/bin/caddy'].find((path) => existsSync(path));
const NGINX = ['/usr/sbin/nginx', '/usr/local/sbin/nginx'].find((path) => existsSync(path));
export const hasProxies = CADDY !== undefined && NGINX !== undefined;

const deploy = join(import.meta.dirname, '../../deploy');
const STARTS = { timeout: 30_000, interval: 50 };

type Proxy = {
  /** `https://localhost:…`, and the address that redirects to it. */
  readonly url: string;
  readonly plainUrl: string;
};

export type Proxies = AsyncDisposable & {
  readonly caddy: Proxy;
  readonly nginx: Proxy;
  /** The certificate of the authority, PEM. */
  readonly authority: string;
};

/** @param ports where they listen: `freePorts(4)` @param upstream the port of the server on 127.0.0.1, which may start later */
export async function startProxies(ports: readonly number[], upstream: number): Promise<Proxies> {
  const [caddyPort = 0, caddyPlain = 0, nginxPort = 0, nginxPlain = 0] = ports;
  if (CADDY === undefined || NGINX === undefined) throw new Error('caddy or nginx is missing');
  const folder = await mkdtemp(join(tmpdir(), 'lablink-proxies-'));
  const options = `admin off\n skip_install_trust\n https_port ${caddyPort}\n http_port ${caddyPlain}`;
  await writeFile(join(folder, 'Caddyfile'), `{\n ${options}\n}\nimport ${deploy}/Caddyfile\n`);
  const caddy = start([CADDY, 'run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'], {
    HOME: folder,
    XDG_DATA_HOME: folder,
    LABLINK_DOMAIN: 'localhost',
    LABLINK_UPSTREAM: `127.0.0.1:${upstream}`,
  });
  const authority = join(folder, 'caddy/pki/authorities/local/root.crt');
  const certificate = join(folder, 'caddy/certificates/local/localhost/localhost');
  await vi.waitFor(() => readFile(`${certificate}.key`), STARTS);
  const sample = replaceAll(await readFile(join(deploy, 'nginx.conf'), 'utf8'), {
    '/etc/letsencrypt/live/lablink.example.org/fullchain.pem': `${certificate}.crt`,
    '/etc/letsencrypt/live/lablink.example.org/privkey.pem': `${certificate}.key`,
    'lablink.example.org': 'localhost',
    'listen 80;': `listen 127.0.0.1:${nginxPlain};`,
    'listen 443 ssl': `listen 127.0.0.1:${nginxPort} ssl`,
    '127.0.0.1:5000': `127.0.0.1:${upstream}`,
  });
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const main = `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events {} http { access_log off; ${temporary.join(' ')} ${sample} }`;
  await writeFile(join(folder, 'nginx.conf'), main);
  const nginx = start([NGINX, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], {});
  for (const port of ports)
    await vi.waitFor(() => fetch(`http://localhost:${port}`, { redirect: 'manual' }), STARTS);
  return {
    caddy: { url: `https://localhost:${caddyPort}`, plainUrl: `http://localhost:${caddyPlain}` },
    nginx: { url: `https://localhost:${nginxPort}`, plainUrl: `http://localhost:${nginxPlain}` },
    authority: await readFile(authority, 'utf8'),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([caddy(), nginx()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** @returns ends it */
function start([command = '', ...args]: readonly string[], env: Readonly<Record<string, string>>) {
  const child = spawn(command, args, { env: { PATH: process.env['PATH'], ...env }, stdio: 'ignore' });
  const ended = once(child, 'exit');
  return async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
}

/** Each must stand in the text. */
function replaceAll(text: string, replacements: Readonly<Record<string, string>>): string {
  return Object.entries(replacements).reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the sample has no "${from}"`);
    return changed.replaceAll(from, to);
  }, text);
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
