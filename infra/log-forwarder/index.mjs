// @ts-check
// The log forwarder: CloudWatch gives lines of machines, the allocator takes them. A Lambda function as it is uploaded,
// plain JavaScript on Node's own modules. Fails where AWS shall send the lines again; event ids keep them single.
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';

/**
 * What CloudWatch sends, decoded.
 * @typedef {{ messageType: string, logGroup: string, logStream: string, logEvents: { id: string, message: string }[] }} Payload
 * @typedef {{ id: string, message: string }} Line
 * @typedef {{ url: string, token: string, pausesMs: readonly number[] }} Settings
 * @typedef {{ sent: number, dropped: number }} Counts
 */

/** The allocator takes 4 MiB; a proxy in front of it often no more than 1 MiB. */
export const BODY_LIMIT_BYTES = 900_000;
/** The contract's, of lines in one body. */
export const LINES_LIMIT = 10_000;
/** A longer line becomes several. The contract's limit is 262,144; each character may take six bytes as JSON. */
export const LINE_LIMIT_CHARACTERS = 65_536;
/** What CloudWatch sends may not unpack to more. */
const PAYLOAD_LIMIT_BYTES = 64 * 1024 * 1024;
const REQUEST_MS = 20_000;
/** Between tries; after the last one it is for AWS to try again. */
const PAUSES_MS = [1_000, 4_000];

const unpack = promisify(gunzip);

/**
 * Lambda's entry point.
 * @param {{ awslogs: { data: string } }} event
 * @returns {Promise<Counts>}
 */
export async function handler(event) {
  const { ALLOCATOR_URL: url, LOG_FORWARDER_TOKEN: token } = process.env;
  if (!url || !token) throw new Error('ALLOCATOR_URL and LOG_FORWARDER_TOKEN must be set.');
  return await forward(event.awslogs.data, { url, token, pausesMs: PAUSES_MS });
}

/**
 * Sends one payload, in order. Throws where the allocator could not take a part of it now; then all of it may be sent
 * again. What it will never take (a machine that it does not know any more) is dropped, and said.
 * @param {string} data gzip + base64
 * @param {Settings} settings
 * @returns {Promise<Counts>}
 */
export async function forward(data, settings) {
  const payload = readPayload(
    await unpack(Buffer.from(data, 'base64'), { maxOutputLength: PAYLOAD_LIMIT_BYTES }),
  );
  const counts = { sent: 0, dropped: 0 };
  // CloudWatch's own control messages have an empty stream, and are nobody's.
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
  if (!isPayload(payload)) throw new Error('This is no payload of CloudWatch Logs.');
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
    // A pair of surrogates is one character.
    const isWithinPair = /[\ud800-\udbff]/.test(message.charAt(end - 1)) && end < message.length;
    const to = isWithinPair ? end - 1 : end;
    pieces.push({ id: `${id}:${pieces.length}`, message: message.slice(from, to) });
    from = to;
  }
  return pieces;
}

/**
 * Each as large as one body may be; lines stay in their order.
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
    // With quotes and commas; the rest of the body is in what is left of the limit.
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
  console.error(`${payload.logStream}: ${lines.length} lines dropped, the allocator answered ${status}`);
}

/**
 * The answer's status: of success, or of a refusal that no later try would change. Throws on everything else.
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
        headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` },
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
 * The lines are refused, not their sender: an unknown machine (404: destroyed, say), a line that breaks the contract. A
 * wrong token may be put right, and a busy allocator has time later.
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
