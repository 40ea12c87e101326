// The form page: how many machines are free, kept up to date; the form, checked before it is sent; what was typed, kept.
import { readAnswer, type Schema } from '../../contract/answer.ts';
import { announce } from '../announce.ts';
import { pause, showConnection, untilVisible } from '../connection.ts';
import { enableCountdown } from '../countdown.ts';
import { dataOf, find, keepHeight, need } from '../dom.ts';
import { keepDraft } from '../draft.ts';
import { enableRequestForms } from '../request-form.ts';
import { request } from '../request.ts';
import { enableSendAgain } from '../send-again.ts';
import { followPlace } from '../waiting-place.ts';

const FIRST_DELAY_MS = 4_000;
const LONGEST_DELAY_MS = 20_000;
const GROWTH = 1.25;
/** The 150 browsers of a workshop have one address: each asks at another moment. */
const JITTER = 0.5;

enableRequestForms();
if (!followPlace()) keepDraft();
enableCountdown();
enableSendAgain();
// To the errors, or to what happens where the server was busy.
find(HTMLElement, '#errors, #busy')?.focus();
const box = find(HTMLElement, '[data-availability]');
if (box) void follow(box);

async function follow(section: HTMLElement): Promise<never> {
  let delayMs = FIRST_DELAY_MS;
  for (;;) {
    await pause(delayMs * (1 + JITTER * Math.random()));
    await untilVisible();
    const { lab, retryAfterMs } = await ask(dataOf(section, 'availability'));
    showConnection(lab !== null);
    const isChanged = lab !== null && show(section, lab);
    delayMs = isChanged
      ? FIRST_DELAY_MS
      : Math.min(Math.max(delayMs * GROWTH, retryAfterMs), Math.max(LONGEST_DELAY_MS, retryAfterMs));
  }
}

/** No lab where the server cannot say now. */
async function ask(
  address: string,
): Promise<{ readonly lab: Schema<'Lab'> | null; readonly retryAfterMs: number }> {
  try {
    const response = await request(address);
    const retryAfterMs = Number(response.headers.get('Retry-After') ?? 0) * 1_000 || 0;
    return { lab: response.ok ? readAnswer('Lab', await response.text()) : null, retryAfterMs };
  } catch {
    return { lab: null, retryAfterMs: 0 };
  }
}

/** Whether anything changed. Only another state is announced: a count that falls by one is not. */
function show(section: HTMLElement, { state, message }: Schema<'Lab'>): boolean {
  const line = need(HTMLElement, '[data-message]', section);
  if (line.textContent === message && section.dataset['state'] === state) return false;
  keepHeight(section);
  line.textContent = message;
  // The form comes and goes with the opening and the closing; what was typed is kept.
  if (isServing(state) !== isServing(section.dataset['state'])) location.reload();
  if (section.dataset['state'] !== state) {
    section.dataset['state'] = state;
    if (!section.hidden) announce(message);
  }
  return true;
}

function isServing(state: string | undefined): boolean {
  return state !== 'scheduled' && state !== 'closed';
}
