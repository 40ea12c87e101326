// Keeps the success page up to date: the state, the steps, the form for a new command.
import { readAnswer, type Schema } from '../../contract/answer.ts';
import { mayConnect, needsNewCommand, stepLabels, stepsOf } from '../../pages/assignment-steps.ts';
import { pause, showConnection, untilVisible } from '../connection.ts';
import { dataOf, find, findAll, keepHeight, need } from '../dom.ts';
import { forgetDraft } from '../draft.ts';
import { enableRequestForms } from '../request-form.ts';
import { request } from '../request.ts';

type Shown = Pick<Schema<'Assignment'>, 'state' | 'message' | 'delivered_at'>;

const FIRST_DELAY_MS = 2_000;
const LONGEST_DELAY_MS = 15_000;
const GROWTH = 1.3;
/** The browsers of a workshop have one address: they do not ask at the same moment for long. */
const JITTER = 0.25;
const GONE_STATUSES: ReadonlySet<number> = new Set([401, 404]);

const line = need(HTMLElement, '[data-assignment]');
const id = dataOf(line, 'assignment');
const steps = findAll(HTMLElement, '[data-step]');

// The page came as the answer to a form: loading it again must not send the form again.
history.replaceState(null, '', `/assignments/${id}`);
forgetDraft();
enableRequestForms();
void follow();

async function follow(): Promise<void> {
  let delayMs = FIRST_DELAY_MS;
  while (line.dataset['state'] !== 'released') {
    await pause(delayMs * (1 + JITTER * Math.random()));
    await untilVisible();
    const answer = await ask();
    showConnection(answer !== null);
    const isChanged = answer !== null && answer.state !== line.dataset['state'];
    delayMs = isChanged ? FIRST_DELAY_MS : Math.min(delayMs * GROWTH, LONGEST_DELAY_MS);
    if (answer !== null) show(answer);
  }
}

/** The assignment, which may be over; null where the server cannot say now. */
async function ask(): Promise<Shown | null> {
  try {
    const response = await request(`/api/v1/assignments/${encodeURIComponent(id)}`);
    if (GONE_STATUSES.has(response.status))
      return { state: 'released', message: dataOf(line, 'gone'), delivered_at: null };
    return response.ok ? readAnswer('Assignment', await response.text()) : null;
  } catch {
    return null;
  }
}

function show({ state, message, delivered_at: deliveredAt }: Shown): void {
  line.dataset['state'] = state;
  // A text that did not change is not announced again.
  if (line.textContent !== message) {
    keepHeight(line);
    line.textContent = message;
  }
  for (const [index, step] of stepsOf(state, deliveredAt).entries()) {
    const item = steps[index];
    if (!item) continue;
    item.dataset['step'] = step;
    need(HTMLElement, '[data-step-label]', item).textContent = stepLabels[step];
  }
  find(HTMLElement, '[data-open]')?.classList.toggle('btn-primary', mayConnect(state));
  const needsFresh = needsNewCommand(state);
  const fresh = find(HTMLDetailsElement, '#fresh');
  // Opened, never closed: somebody may be typing.
  if (fresh && needsFresh) fresh.open = true;
  const next = find(HTMLElement, '[data-next]');
  if (next) next.hidden = needsFresh;
}
