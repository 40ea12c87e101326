// A local VM's own SSH server: one key may enter, on the loopback address only, and only to run commands. No password,
// no terminal, no forwarding, no sftp: what nobody listens to, ssh2 refuses. Knows nothing of agents.
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import ssh2, { type AuthContext, type Connection, type ParsedKey, type Session } from 'ssh2';
import { runCommand, type ExecPlace, type RunningCommand } from './ssh-exec.ts';

export type SshServerOptions = ExecPlace & {
  /** In OpenSSH's format. */
  readonly hostKey: string;
  readonly user: string;
  /** `ssh-ed25519 AAAA…`. */
  readonly authorizedKey: string;
  /** Taken where it is free, else any other one; null: any. */
  readonly preferredPort: number | null;
  readonly limits: SshLimits;
};

export type SshLimits = {
  readonly connections: number;
  /** Of all connections together. */
  readonly commands: number;
  /** Who has not shown the key by then is hung up on. */
  readonly authenticationMs: number;
};

export const defaultSshLimits: SshLimits = { connections: 16, commands: 16, authenticationMs: 10_000 };

export type SshServer = {
  readonly port: number;
  /** Hangs up on everybody and kills what runs. */
  readonly close: () => Promise<void>;
};

const LOOPBACK = '127.0.0.1';

/** Resolves when it listens. Rejects where no port can be had, or a key cannot be read. */
export async function startSshServer(options: SshServerOptions): Promise<SshServer> {
  const authorized = ssh2.utils.parseKey(options.authorizedKey);
  if (authorized instanceof Error) throw authorized;
  const connections = new Set<Connection>();
  const commands = new Set<RunningCommand>();
  const server = new ssh2.Server({ hostKeys: [options.hostKey] }, (connection) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
    serveConnection(connection, authorized, commands, options);
  });
  server.maxConnections = options.limits.connections;
  const port = await listen(server, options.preferredPort);
  server.on('error', () => undefined);
  return {
    port,
    close: async () => {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      for (const command of commands) command.kill();
      for (const connection of connections) connection.end();
      await Promise.all([closed, ...[...commands].map(({ ended }) => ended)]);
    },
  };
}

async function listen(server: ssh2.Server, preferredPort: number | null): Promise<number> {
  try {
    return await listenOn(server, preferredPort ?? 0);
  } catch (error) {
    if (preferredPort === null || !isInUse(error)) throw error;
    return listenOn(server, 0);
  }
}

async function listenOn(server: ssh2.Server, port: number): Promise<number> {
  server.listen(port, LOOPBACK);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the SSH server listens on no port');
  return address.port;
}

function isInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

function serveConnection(
  connection: Connection,
  authorized: ParsedKey,
  commands: Set<RunningCommand>,
  options: SshServerOptions,
): void {
  sendAtOnce(connection);
  const hangUp = setTimeout(() => void connection.end(), options.limits.authenticationMs);
  connection.on('authentication', (context) => {
    if (mayEnter(context, options.user, authorized)) context.accept();
    else context.reject(['publickey']);
  });
  connection.once('ready', () => clearTimeout(hangUp));
  connection.once('close', () => clearTimeout(hangUp));
  // Clients hang up as they like; what they ran is killed when its channel closes.
  connection.on('error', () => undefined);
  connection.on('session', (accept) => serveSession(accept(), commands, options));
}

/** Commands are small messages to and fro; waiting to fill a packet costs 40 ms each. Its types leave it out. */
function sendAtOnce(connection: Connection): void {
  if ('setNoDelay' in connection && typeof connection.setNoDelay === 'function') {
    Reflect.apply(connection.setNoDelay, connection, [true]);
  }
}

/** Asked twice: whether the key would do, then with a signature that proves it. */
function mayEnter(context: AuthContext, user: string, authorized: ParsedKey): boolean {
  if (context.method !== 'publickey' || context.username !== user) return false;
  if (context.key.algo !== authorized.type || !equal(context.key.data, authorized.getPublicSSH()))
    return false;
  if (context.signature === undefined || context.blob === undefined) return true;
  // Its type says boolean; what it answers to a broken signature is an Error.
  const proven: unknown = authorized.verify(context.blob, context.signature, context.hashAlgo);
  return proven === true;
}

function equal(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

function serveSession(session: Session, commands: Set<RunningCommand>, options: SshServerOptions): void {
  session.on('exec', (accept, reject, { command }) => {
    if (commands.size >= options.limits.commands) {
      reject();
      return;
    }
    const running = runCommand(command, accept(), options);
    commands.add(running);
    void running.ended.then(() => commands.delete(running));
  });
}
