// Keeps the state line of the success page up to date. What the server says goes in as text, never as markup.
const FIRST_DELAY_MS = 2_000;
const LONGEST_DELAY_MS = 15_000;
const GROWTH = 1.3;
const FINAL_STATES = new Set(['released']);
const FRESH_COMMAND_STATES = new Set(['failed', 'expired']);
const GONE_STATUSES = new Set([401, 404]);

const line = document.querySelector('[data-assignment]');
if (line instanceof HTMLElement) void follow(line);

async function follow(line) {
  let delayMs = FIRST_DELAY_MS;
  while (!FINAL_STATES.has(line.dataset.state)) {
    await sleep(delayMs);
    if (document.hidden) await shown();
    const answer = await ask(line.dataset.assignment);
    if (answer === 'gone') return tellGone(line);
    const changed = answer !== null && answer.state !== line.dataset.state;
    delayMs = changed ? FIRST_DELAY_MS : Math.min(delayMs * GROWTH, LONGEST_DELAY_MS);
    if (changed) show(line, answer);
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

function tellGone(line) {
  line.dataset.state = 'released';
  line.textContent = line.dataset.gone;
}

function show(line, { state, message }) {
  line.dataset.state = state;
  line.textContent = message;
  const fresh = document.querySelector('#fresh');
  if (fresh instanceof HTMLDetailsElement && FRESH_COMMAND_STATES.has(state)) fresh.open = true;
}

function sleep(delayMs) {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

function shown() {
  return new Promise((resolve) => {
    document.addEventListener('visibilitychange', resolve, { once: true });
  });
}
