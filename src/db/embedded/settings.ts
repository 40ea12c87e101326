// The settings of the embedded server, for one small allocator on a machine that does other things too.

export type Settings = Readonly<Record<string, string>>;

/** May be overridden by the caller. */
const SMALL_SERVER: Settings = {
  max_connections: '60',
  shared_buffers: '64MB',
  max_wal_size: '256MB',
  // Parallel queries need /dev/shm, which is tiny in containers; nothing of ours is big enough for them.
  max_parallel_workers_per_gather: '0',
  // Nobody replicates this server, and synchronous reads save three processes.
  max_logical_replication_workers: '0',
  io_method: 'sync',
  jit: 'off',
  // The server's own life and its fatal errors; a statement that fails is told to the program that sent it.
  log_min_messages: 'log',
  log_checkpoints: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

/** Cannot be overridden: nobody else can reach the server, by network or by socket. */
function closedTo(port: number): Settings {
  return { listen_addresses: '127.0.0.1', port: String(port), unix_socket_directories: '' };
}

/** What pg_ctl hands to Postgres through a shell: the folder and all settings, quoted. */
export function postgresOptions(cluster: string, port: number, settings: Settings): string {
  const all = { ...SMALL_SERVER, ...settings, ...closedTo(port) };
  const words = [
    '-D',
    cluster,
    ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ];
  return words.map(quoteForShell).join(' ');
}

function quoteForShell(word: string): string {
  return /^[\w./=-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
