// The files of a backend, in a folder or in an S3 bucket. Requests to S3 are unsigned and go only to the emulator at
// AWS_ENDPOINT_URL.
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';
import { Failure, unsupported } from './failure.ts';

/** Keys are paths relative to `.pulumi`. */
export type Storage = {
  readonly exists: (key: string) => boolean;
  readonly read: (key: string) => string;
  /** Atomic: it writes the whole file or changes nothing. */
  readonly write: (key: string, text: string) => void;
  readonly remove: (key: string) => void;
  /** The names of the files in a folder. */
  readonly list: (folder: string) => string[];
};

export function openStorage(url: string, cwd: string, env: NodeJS.ProcessEnv): Storage {
  if (url.startsWith('file://')) return folderStorage(join(folderOf(url, cwd), '.pulumi'));
  const [, bucket, prefix = ''] = /^s3:\/\/([^/?]+)(?:\/([^?]*))?/.exec(url) ?? [];
  const endpoint = env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL'];
  if (bucket === undefined) throw unsupported(`a state at ${url}: file:// and s3:// only`);
  if (endpoint === undefined) throw unsupported(`a state at ${url} without AWS_ENDPOINT_URL`);
  const keyPrefix = [prefix.replace(/\/$/, ''), '.pulumi'].filter((part) => part !== '').join('/');
  return bucketStorage(`${endpoint}/${bucket}`, keyPrefix);
}

function folderOf(url: string, cwd: string): string {
  const path = url.slice('file://'.length);
  return path.startsWith('/') ? fileURLToPath(url) : resolve(cwd, path);
}

/** The real engine writes such a file beside every other, and never lists them. */
const ATTRIBUTES = '.attrs';
const ATTRIBUTES_TEXT = JSON.stringify({ 'user.content_type': 'text/plain; charset=utf-8', md5: null });

function folderStorage(root: string): Storage {
  return {
    exists: (key) => existsSync(join(root, key)),
    read: (key) => readFileSync(join(root, key), 'utf8'),
    write: (key, text) => {
      const path = join(root, key);
      mkdirSync(dirname(path), { recursive: true });
      const temporary = `${path}.${process.pid}.tmp`;
      const file = openSync(temporary, 'w');
      try {
        writeSync(file, text);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      writeFileSync(`${path}${ATTRIBUTES}`, ATTRIBUTES_TEXT);
      renameSync(temporary, path);
    },
    remove: (key) => {
      for (const suffix of ['', ATTRIBUTES]) rmSync(join(root, key) + suffix, { force: true });
    },
    list: (folder) =>
      existsSync(join(root, folder))
        ? readdirSync(join(root, folder)).filter((name) => !name.endsWith(ATTRIBUTES))
        : [],
  };
}

function bucketStorage(bucket: string, keyPrefix: string): Storage {
  const fetchSync = createFetchSync();
  const urlOf = (key: string) => `${bucket}/${keyPrefix}/${key}`;
  const bodyOf = (reply: Reply) => {
    if (reply.status >= 300) throw new Failure(`the bucket answered ${reply.status}: ${reply.text}`);
    return reply.text;
  };
  return {
    exists: (key) => fetchSync('HEAD', urlOf(key)).status === 200,
    read: (key) => bodyOf(fetchSync('GET', urlOf(key))),
    write: (key, text) => void bodyOf(fetchSync('PUT', urlOf(key), text)),
    remove: (key) => void bodyOf(fetchSync('DELETE', urlOf(key))),
    list: (folder) => {
      const prefix = `${keyPrefix}/${folder}/`;
      const reply = bodyOf(
        fetchSync('GET', `${bucket}?list-type=2&delimiter=%2F&prefix=${encodeURIComponent(prefix)}`),
      );
      return [...reply.matchAll(/<Key>([^<]+)<\/Key>/g)].map(([, key = '']) => key.slice(prefix.length));
    },
  };
}

type Reply = { readonly status: number; readonly text: string };

/** A synchronous fetch: the engine must save the state before it begins the next step. */
function createFetchSync(): (method: string, url: string, body?: string) => Reply {
  const { port1, port2 } = new MessageChannel();
  const replied = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(
    `const { workerData: { port, replied } } = require('node:worker_threads');
    const headers = { authorization: 'AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request' };
    port.on('message', async ({ method, url, body }) => {
      const reply = await fetch(url, { method, body, headers }).then(
        async (response) => ({ status: response.status, text: await response.text() }),
        (error) => ({ status: 599, text: String(error.cause ?? error) }),
      );
      port.postMessage(reply);
      Atomics.store(replied, 0, 1);
      Atomics.notify(replied, 0);
    });`,
    { eval: true, workerData: { port: port2, replied }, transferList: [port2] },
  );
  worker.unref();
  port1.unref();
  return (method, url, body) => {
    Atomics.store(replied, 0, 0);
    port1.postMessage({ method, url, body });
    Atomics.wait(replied, 0, 0);
    return receiveMessageOnPort(port1)?.message as Reply;
  };
}
