// The form page: where things stand, kept up to date; the command, looked at before it is sent; what was typed, kept.
import { announce } from './announce.js';
import { enableAsking } from './ask.js';
import { pause, showConnection, untilVisible } from './connection.js';
import { keepDraft } from './draft.js';
import { keepHeight } from './height.js';

const FIRST_DELAY_MS = 4_000;
const LONGEST_DELAY_MS = 20_000;
const GROWTH = 1.25;
/** A workshop of 150 asks from one address: everybody at another moment. */
const JITTER = 0.5;

const box = document.querySelector('[data-standing]');

enableAsking();
keepDraft();
// To the errors, where the page came back with some.
document.querySelector('#errors')?.focus();
// Where nothing is said of it, nothing is asked.
if (box) void follow();

async function follow() {
  let delayMs = FIRST_DELAY_MS;
  for (;;) {
    await pause(delayMs * (1 + JITTER * Math.random()));
    await untilVisible();
    const { lab, retryAfterMs } = await ask();
    showConnection(lab !== null);
    const changed = lab !== null && show(lab);
    delayMs = changed
      ? FIRST_DELAY_MS
      : Math.min(Math.max(delayMs * GROWTH, retryAfterMs), Math.max(LONGEST_DELAY_MS, retryAfterMs));
  }
}

/** No lab where the server cannot say now. */
async function ask() {
  try {
    const response = await fetch(box.dataset.standing, {
      headers: { Accept: 'application/json' },
      cache: 'no-store',
    });
    const retryAfterMs = Number(response.headers.get('Retry-After') ?? 0) * 1_000 || 0;
    return { lab: response.ok ? await response.json() : null, retryAfterMs };
  } catch {
    return { lab: null, retryAfterMs: 0 };
  }
}

/** Whether anything changed. Only another state is said aloud: a count that falls by one is not. */
function show({ state, message }) {
  const line = box.querySelector('[data-message]');
  if (line.textContent === message && box.dataset.state === state) return false;
  keepHeight(box);
  line.textContent = message;
  const retry = box.querySelector('[data-retry]');
  if (retry) retry.textContent = state === 'open' ? retry.dataset.tryAgain : retry.dataset.wait;
  if (box.dataset.state !== state) {
    box.dataset.state = state;
    announce(retry ? `${message} ${retry.textContent}` : message);
  }
  return true;
}
