// Buttons that copy a text. They are shown where there is JavaScript.
import { announce } from './announce.ts';
import { dataOf, findAll } from './dom.ts';

const SHOWN_MS = 2_000;

export function enableCopying(): void {
  for (const button of findAll(HTMLButtonElement, 'button[data-copy]')) {
    button.hidden = false;
    button.addEventListener('click', () => void copy(button));
  }
}

async function copy(button: HTMLButtonElement): Promise<void> {
  const isCopied = await write(dataOf(button, 'copy'));
  const result = dataOf(button, isCopied ? 'copied' : 'failed');
  announce(result);
  const [label] = button.childNodes;
  if (!label || button.dataset['busy'] !== undefined) return;
  const before = label.textContent;
  button.dataset['busy'] = '';
  label.textContent = result;
  setTimeout(() => {
    label.textContent = before;
    delete button.dataset['busy'];
  }, SHOWN_MS);
}

async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeBySelection(text);
  }
}

/** Without https browsers have no clipboard to write to, but they still have the old command. */
function writeBySelection(text: string): boolean {
  const focused = document.activeElement;
  const field = document.createElement('textarea');
  field.value = text;
  field.className = 'visually-hidden';
  document.body.append(field);
  field.select();
  const isCopied = copySelection();
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return isCopied;
}

/** `execCommand` is deprecated, and the only way without https. */
function copySelection(): boolean {
  const legacy: { execCommand(command: 'copy'): boolean } = document;
  return legacy.execCommand('copy');
}
