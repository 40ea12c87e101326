// Keeps the success page up to date: the machine, the state, the steps, the form for a new command.
import { readAnswer, type Schema } from '../../contract/answer.ts';
import { mayConnect, needsNewCommand, nextAskMs, stepLabels, stepsOf } from '../../pages/assignment-steps.ts';
import { pause, showConnection, untilVisible } from '../connection.ts';
import { dataOf, findAll, keepHeight, need } from '../dom.ts';
import { forgetDraft } from '../draft.ts';
import { enableRequestForms } from '../request-form.ts';
import { request } from '../request.ts';

type Assignment = Schema<'Assignment'>;
type Released = { readonly state: 'released'; readonly message: string };

/** The browsers of a workshop have one address: they do not ask at the same moment for long, each somewhat earlier. */
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
  let delayMs = nextAskMs(null);
  while (line.dataset['state'] !== 'released') {
    await pause(delayMs * (1 - JITTER * Math.random()));
    await untilVisible();
    const answer = await ask();
    showConnection(answer !== null);
    const isChanged = answer !== null && answer.state !== line.dataset['state'];
    delayMs = nextAskMs(isChanged ? null : delayMs);
    if (answer !== null) show(answer);
  }
}

/** The assignment, which may be over; null where the server cannot say now. */
async function ask(): Promise<Assignment | Released | null> {
  try {
    const response = await request(`/api/v1/assignments/${encodeURIComponent(id)}`);
    if (GONE_STATUSES.has(response.status)) return { state: 'released', message: dataOf(line, 'gone') };
    return response.ok ? readAnswer('Assignment', await response.text()) : null;
  } catch {
    return null;
  }
}

function show(shown: Assignment | Released): void {
  line.dataset['state'] = shown.state;
  // A text that did not change is not announced again.
  if (line.textContent !== shown.message) {
    keepHeight(line);
    line.textContent = shown.message;
  }
  if (shown.state === 'released') showReleased();
  else if ('hostname' in shown) showAssigned(shown);
}

/** As the page looks when it is loaded after the release. */
function showReleased(): void {
  const parts = findAll(HTMLElement, '[data-while-assigned]');
  const hadFocus = parts.some((part) => part.contains(document.activeElement));
  for (const part of parts) part.remove();
  need(HTMLElement, '[data-when-released]').hidden = false;
  if (hadFocus) need(HTMLElement, '#state-title').focus();
}

function showAssigned({ hostname, pin, state, delivered_at: deliveredAt }: Assignment): void {
  if (showFact('hostname', hostname)) showMoved(hostname);
  showFact('pin', pin);
  for (const [index, step] of stepsOf(state, deliveredAt).entries()) {
    const item = steps[index];
    if (!item) continue;
    item.dataset['step'] = step;
    need(HTMLElement, '[data-step-label]', item).textContent = stepLabels[step];
  }
  need(HTMLElement, '[data-open]').classList.toggle('btn-primary', mayConnect(state));
  const needsFresh = needsNewCommand(state);
  // Opened, never closed: somebody may be typing.
  if (needsFresh) need(HTMLDetailsElement, '#fresh').open = true;
  need(HTMLElement, '[data-next]').hidden = needsFresh;
}

/** Shows a fact, and makes its button copy it. Whether it changed. */
function showFact(fact: string, value: string): boolean {
  const place = need(HTMLElement, `[data-fact="${fact}"]`);
  if (place.textContent === value) return false;
  place.textContent = value;
  if (place.parentElement) need(HTMLElement, '[data-copy]', place.parentElement).dataset['copy'] = value;
  return true;
}

function showMoved(hostname: string): void {
  const moved = need(HTMLElement, '[data-moved]');
  moved.hidden = false;
  moved.textContent = `${dataOf(moved, 'moved')} ${hostname}.`;
}
