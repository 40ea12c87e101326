// Buttons that copy what stands beside them. They are shown where there is JavaScript.
import { announce } from './announce.js';

const SHOWN_MS = 2_000;

export function enableCopying(place) {
  for (const button of place.querySelectorAll('button[data-copy]')) {
    button.hidden = false;
    button.addEventListener('click', () => void copy(button));
  }
}

async function copy(button) {
  const { copied, failed } = button.dataset;
  const did = await write(button.dataset.copy);
  announce(did ? copied : failed);
  const [label] = button.childNodes;
  const before = label.textContent;
  if (before === copied || before === failed) return;
  label.textContent = did ? copied : failed;
  setTimeout(() => {
    label.textContent = before;
  }, SHOWN_MS);
}

/** Without https browsers have no clipboard to write to, but still the old command. */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeBySelection(text);
  }
}

function writeBySelection(text) {
  const focused = document.activeElement;
  const field = document.createElement('textarea');
  field.value = text;
  field.className = 'visually-hidden';
  document.body.append(field);
  field.select();
  const did = document.execCommand('copy');
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return did;
}
