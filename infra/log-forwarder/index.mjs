// @ts-check
// The log forwarder: a Lambda function that sends the log lines of machines from CloudWatch to the allocator. Uploaded as it
// is: plain JavaScript without packages. It fails when AWS should retry; event ids prevent duplicate lines.
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

/**
 * `Payload` is the decoded event of CloudWatch.
 * @typedef {{ messageType: string, logGroup: string, logStream: string, logEvents: { id: string, message: string }[] }} Payload
 * @typedef {{ id: string, message: string }} Line
 * @typedef {{ url: string, token: string, pausesMs: readonly number[] }} Settings
 * @typedef {{ sent: number, dropped: number }} Counts
 */

/** The allocator accepts 4 MiB, but many proxies accept only 1 MiB. */
export const BODY_LIMIT_BYTES = 900_000;
/** The limit of the API for one request. */
export const LINES_LIMIT = 10_000;
/** Longer lines are split. The API accepts 262,144 characters; in JSON, a character can take six bytes. */
export const LINE_LIMIT_CHARACTERS = 65_536;
/** For the uncompressed event. */
const PAYLOAD_LIMIT_BYTES = 64 * 1024 * 1024;
const REQUEST_MS = 20_000;
/** Pauses between attempts; after the last attempt, AWS retries. */
const PAUSES_MS = [1_000, 4_000];

const unpack = promisify(gunzip);

/**
 * The entry point of the Lambda function.
 * @param {{ awslogs: { data: string } }} event
 * @returns {Promise<Counts>}
 */
export async function handler(event) {
  const { ALLOCATOR_URL: url, LOG_FORWARDER_TOKEN: token } = process.env;
  if (!url || !token) throw new Error('ALLOCATOR_URL and LOG_FORWARDER_TOKEN must be set.');
  return await forward(event.awslogs.data, { url, token, pausesMs: PAUSES_MS });
}

/**
 * Sends the lines of one event in order. Throws if the allocator could not accept some of them now, so that AWS retries the
 * whole event. Drops lines that the allocator will never accept, such as those of a destroyed machine, and logs it.
 * @param {string} data gzip + base64
 * @param {Settings} settings
 * @returns {Promise<Counts>}
 */
export async function forward(data, settings) {
  const payload = readPayload(
    await unpack(Buffer.from(data, 'base64'), { maxOutputLength: PAYLOAD_LIMIT_BYTES }),
  );
  const counts = { sent: 0, dropped: 0 };
  // Control messages of CloudWatch belong to no machine.
  if (payload.messageType !== 'DATA_MESSAGE' || payload.logStream === '') return counts;
  for (const batch of inBatches(payload.logEvents.flatMap(inPieces))) {
    await deliver(payload, batch, settings, counts);
  }
  return counts;
}

/**
 * @param {Buffer} bytes
 * @returns {Payload}
 */
function readPayload(bytes) {
  /** @type {unknown} */
  const payload = JSON.parse(bytes.toString('utf8'));
  if (!isPayload(payload)) throw new Error('This is not an event of CloudWatch Logs.');
  return payload;
}

/**
 * @param {unknown} value
 * @returns {value is Payload}
 */
function isPayload(value) {
  if (typeof value !== 'object' || value === null) return false;
  return ['messageType', 'logGroup', 'logStream', 'logEvents'].every((key) => key in value);
}

/**
 * @param {Line} line
 * @returns {Line[]}
 */
function inPieces({ id, message }) {
  if (message.length <= LINE_LIMIT_CHARACTERS) return [{ id, message }];
  const pieces = [];
  let from = 0;
  while (from < message.length) {
    const end = from + LINE_LIMIT_CHARACTERS;
    // Do not split a surrogate pair.
    const isWithinPair = /[\ud800-\udbff]/.test(message.charAt(end - 1)) && end < message.length;
    const to = isWithinPair ? end - 1 : end;
    pieces.push({ id: `${id}:${pieces.length}`, message: message.slice(from, to) });
    from = to;
  }
  return pieces;
}

/**
 * Splits the lines into batches of at most one request, in order.
 * @param {readonly Line[]} lines
 * @returns {Line[][]}
 */
export function inBatches(lines) {
  /** @type {Line[][]} */
  const batches = [];
  /** @type {Line[]} */
  let batch = [];
  let bytes = 0;
  for (const line of lines) {
    // Includes quotes and commas; the limit leaves room for the rest of the body.
    const cost = Buffer.byteLength(JSON.stringify(line.message)) + Buffer.byteLength(line.id) + 4;
    if (batch.length > 0 && (bytes + cost > BODY_LIMIT_BYTES || batch.length === LINES_LIMIT)) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(line);
    bytes += cost;
  }
  return batch.length > 0 ? [...batches, batch] : batches;
}

/**
 * @param {Payload} payload
 * @param {readonly Line[]} lines
 * @param {Settings} settings
 * @param {Counts} counts
 * @returns {Promise<void>}
 */
async function deliver(payload, lines, settings, counts) {
  const status = await post(payload, lines, settings);
  if (status < 300) {
    counts.sent += lines.length;
    return;
  }
  if (status === 413 && lines.length > 1) {
    const middle = Math.ceil(lines.length / 2);
    await deliver(payload, lines.slice(0, middle), settings, counts);
    await deliver(payload, lines.slice(middle), settings, counts);
    return;
  }
  counts.dropped += lines.length;
  console.error(`${payload.logStream}: ${lines.length} lines dropped: the allocator answered ${status}`);
}

/**
 * Returns the status of a success or of a final rejection. Throws after all attempts have failed.
 * @param {Payload} payload
 * @param {readonly Line[]} lines
 * @param {Settings} settings
 * @returns {Promise<number>}
 */
async function post({ logGroup, logStream }, lines, { url, token, pausesMs }) {
  const body = JSON.stringify({
    log_group: logGroup,
    log_stream: logStream,
    messages: lines.map(({ message }) => message),
    event_ids: lines.map(({ id }) => id),
  });
  let problem = '';
  for (const pauseMs of [...pausesMs, null]) {
    try {
      const response = await fetch(`${url.replace(/\/+$/, '')}/api/vm-logs`, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          'User-Agent': 'LabLink-Log-Forwarder/1.0',
          Authorization: `Bearer ${token}`,
        },
        body,
        redirect: 'error',
        signal: AbortSignal.timeout(REQUEST_MS),
      });
      await response.body?.cancel();
      if (response.ok || isFinal(response.status)) return response.status;
      problem = `the allocator answered ${response.status}`;
      if (response.status === 401 || response.status === 403) break;
    } catch (error) {
      problem = `the allocator cannot be reached: ${describe(error)}`;
    }
    if (pauseMs !== null) await delay(pauseMs);
  }
  throw new Error(`${lines.length} lines of ${logStream} could not be delivered: ${problem}`);
}

/**
 * Whether the lines themselves are rejected: an unknown machine (404), an invalid line. A wrong token can be corrected, and
 * a busy allocator accepts the lines later.
 * @param {number} status
 */
function isFinal(status) {
  return status >= 400 && status < 500 && ![401, 403, 408, 429].includes(status);
}

/** @param {unknown} error */
function describe(error) {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
