// The server was too busy for a form: the page sends it again after a while, unless its reader changes it first.
import { pause, untilVisible } from './connection.ts';
import { dataOf, find, need, setText } from './dom.ts';

const TICK_MS = 1_000;
/** Those who were refused in one moment do not come back in one moment. */
const JITTER = 0.5;

export function enableSendAgain(): void {
  const box = find(HTMLElement, '[data-send-again]');
  if (box) void sendAgain(box);
}

async function sendAgain(box: HTMLElement): Promise<void> {
  const line = need(HTMLElement, '[data-trying]', box);
  const form = need(HTMLFormElement, `form[action="${dataOf(box, 'form')}"]`);
  const changed = new AbortController();
  form.addEventListener('input', () => changed.abort(), { once: true });
  form.addEventListener('submit', () => changed.abort(), { once: true });
  line.hidden = false;
  const end = Date.now() + Number(dataOf(box, 'sendAgain')) * (1 + JITTER * Math.random()) * 1_000;
  while ((Date.now() < end || !navigator.onLine) && !isAborted(changed)) {
    setText(
      line,
      dataOf(line, 'in').replace('{}', String(Math.max(0, Math.ceil((end - Date.now()) / 1_000)))),
    );
    await pause(TICK_MS);
  }
  await untilVisible();
  const isChanged = isAborted(changed);
  setText(line, dataOf(line, isChanged ? 'changed' : 'now'));
  if (!isChanged) form.requestSubmit();
}

/** Reads it anew: TypeScript takes a property that it has seen once for unchanged, also after an await. */
function isAborted({ signal }: AbortController): boolean {
  return signal.aborted;
}
