// Keeps the success page up to date: the state, the steps, the form for a fresh command.
import { pause, showConnection, untilVisible } from './connection.js';
import { forgetDraft } from './draft.js';
import { enableAsking } from './ask.js';
import { keepHeight } from './height.js';

const FIRST_DELAY_MS = 2_000;
const LONGEST_DELAY_MS = 15_000;
const GROWTH = 1.3;
/** A workshop asks from one address: nobody asks at the same moment as the others for long. */
const JITTER = 0.25;
const FINAL_STATES = new Set(['released']);
const FRESH_COMMAND_STATES = new Set(['failed', 'expired']);
const READY_STATES = new Set(['connected', 'sent_unconfirmed']);
const GONE_STATUSES = new Set([401, 404]);

const line = document.querySelector('[data-assignment]');
const live = JSON.parse(line.dataset.live);
const steps = [...document.querySelectorAll('[data-step]')];

// The page came as the answer to a form: loading it again must not send the form again.
history.replaceState(null, '', `/assignments/${line.dataset.assignment}`);
forgetDraft();
enableAsking();
void follow();

async function follow() {
  let delayMs = FIRST_DELAY_MS;
  while (!FINAL_STATES.has(line.dataset.state)) {
    await pause(delayMs * (1 + JITTER * Math.random()));
    await untilVisible();
    const answer = await ask(line.dataset.assignment);
    showConnection(answer !== null);
    if (answer === 'gone') return show({ state: 'released', message: live.gone });
    const changed = answer !== null && answer.state !== line.dataset.state;
    delayMs = changed ? FIRST_DELAY_MS : Math.min(delayMs * GROWTH, LONGEST_DELAY_MS);
    if (answer !== null) show(answer);
  }
}

/** The assignment; null where the server cannot say now; 'gone' where it never will. */
async function ask(id) {
  try {
    const response = await fetch(`/api/v1/assignments/${encodeURIComponent(id)}`, {
      headers: { Accept: 'application/json' },
      cache: 'no-store',
    });
    if (GONE_STATUSES.has(response.status)) return 'gone';
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

function show({ state, message, delivered_at: deliveredAt }) {
  if (line.dataset.state !== state) line.dataset.state = state;
  // A line that did not change is not read aloud again.
  if (line.textContent !== message) {
    keepHeight(line);
    line.textContent = message;
  }
  const states = live.steps[state === 'expired' && deliveredAt ? 'expired_sent' : state];
  for (const [index, step] of steps.entries()) {
    step.dataset.step = states[index];
    step.querySelector('[data-step-label]').textContent = live.labels[states[index]];
  }
  document.querySelector('[data-open]')?.classList.toggle('btn-primary', READY_STATES.has(state));
  const needsFresh = FRESH_COMMAND_STATES.has(state);
  const fresh = document.querySelector('#fresh');
  // Opened, never closed: somebody may be typing.
  if (fresh && needsFresh) fresh.open = true;
  const next = document.querySelector('[data-next]');
  if (next) next.hidden = needsFresh;
}
