// The SSH server of a local VM, on the loopback address only: one key may log in, and only to run commands. ssh2 refuses what
// has no listener here: passwords, terminals, forwarding, sftp. Knows nothing of agents.
import { timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import ssh2, { type AuthContext, type Connection, type ParsedKey, type Session } from 'ssh2';
import { runCommand, type ExecOptions, type RunningCommand } from './ssh-exec.ts';

export type SshServerOptions = ExecOptions & {
  /** In OpenSSH's format. */
  readonly hostKey: string;
  readonly user: string;
  /** `ssh-ed25519 AAAA…`. */
  readonly authorizedKey: string;
  /** Used if it is free; otherwise, or if null, any free port. */
  readonly preferredPort: number | null;
  readonly limits: SshLimits;
};

export type SshLimits = {
  readonly connections: number;
  /** Of all connections together. */
  readonly commands: number;
  /** Unauthenticated connections are closed after this time. */
  readonly authenticationMs: number;
};

export const defaultSshLimits: SshLimits = { connections: 16, commands: 16, authenticationMs: 10_000 };

export type SshServer = {
  readonly port: number;
  /** The process ids of the running commands. */
  readonly commands: () => readonly number[];
  /** Closes all connections and kills all commands. */
  readonly close: () => Promise<void>;
};

const LOOPBACK = '127.0.0.1';

/** Resolves when it listens. Rejects if no port is free, or a key cannot be read. */
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
    commands: () => [...commands].flatMap(({ pid }) => pid ?? []),
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
  disableDelay(connection);
  const timeout = setTimeout(() => void connection.end(), options.limits.authenticationMs);
  connection.on('authentication', (context) => {
    if (isAuthorized(context, options.user, authorized)) context.accept();
    else context.reject(['publickey']);
  });
  connection.once('ready', () => clearTimeout(timeout));
  connection.once('close', () => clearTimeout(timeout));
  // A lost connection is no error; its commands are killed when their channels close.
  connection.on('error', () => undefined);
  connection.on('session', (accept) => serveSession(accept(), commands, options));
}

/** Without TCP_NODELAY, each small message waits 40 ms. The types of ssh2 lack this method. */
function disableDelay(connection: Connection): void {
  if ('setNoDelay' in connection && typeof connection.setNoDelay === 'function') {
    Reflect.apply(connection.setNoDelay, connection, [true]);
  }
}

/** Called twice: first for the key alone, then with a signature. */
function isAuthorized(context: AuthContext, user: string, authorized: ParsedKey): boolean {
  if (context.method !== 'publickey' || context.username !== user) return false;
  if (context.key.algo !== authorized.type || !equal(context.key.data, authorized.getPublicSSH()))
    return false;
  if (context.signature === undefined || context.blob === undefined) return true;
  // Typed as boolean, but returns an Error for a malformed signature.
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
