// Forms that ask for a machine: the command is read as the server reads it, in the same words; a form is sent once.
import { announce } from './announce.js';
import { showConnection } from './connection.js';
import { crdCommandFaults, parseCrdCommand } from './crd-command.gen.js';

const RESTING_MS = 600;

export function enableAsking() {
  for (const form of document.querySelectorAll('form[data-ask]')) enable(form);
}

function enable(form) {
  const field = form.querySelector('textarea[name="crd_command"]');
  const line = form.querySelector('[data-command-check]');
  // Pasted is done; typed by hand is not before the hand rests. Not when the field is left: the line that comes would move
  // the button away under the finger that presses it.
  let resting = 0;
  let length = field.value.length;
  field.addEventListener('input', () => {
    clearTimeout(resting);
    const isPasted = Math.abs(field.value.length - length) > 1;
    length = field.value.length;
    if (isPasted) look(field, line);
    else resting = setTimeout(() => look(field, line), RESTING_MS);
  });
  form.addEventListener('submit', (event) => send(event, form, () => isRight(field, line)));
  addEventListener('pageshow', () => wake(form));
}

/** Where it is not, the cursor goes there. */
function isRight(field, line) {
  const may = look(field, line);
  if (!may) field.focus();
  return may;
}

/** Says what is wrong with the command, or that it looks right; whether it may be sent. */
function look(field, line) {
  const text = field.value;
  if (text.trim() === '') {
    say(field, line, '', 'empty');
    return false;
  }
  const read = parseCrdCommand(text);
  const fault = read.ok ? null : crdCommandFaults[read.fault].replaceAll('`', '');
  say(field, line, fault ?? line.dataset.right, read.ok ? 'right' : 'wrong');
  return read.ok;
}

function say(field, line, text, state) {
  line.dataset.check = state;
  if (line.textContent !== text) line.textContent = text;
  if (state === 'wrong') field.setAttribute('aria-invalid', 'true');
  else field.removeAttribute('aria-invalid');
}

/** Only once, only when it is right, and not into nothing. */
function send(event, form, mayGo) {
  if (form.dataset.busy) return event.preventDefault();
  if (!mayGo()) return event.preventDefault();
  if (!navigator.onLine) {
    showConnection(false);
    return event.preventDefault();
  }
  const button = form.querySelector('button[type="submit"]');
  form.dataset.busy = 'true';
  button.dataset.label = button.textContent;
  button.textContent = form.dataset.sending;
  button.setAttribute('aria-disabled', 'true');
  announce(form.dataset.sending);
}

/** The page is shown again, by the way back or because the request was stopped. */
function wake(form) {
  if (!form.dataset.busy) return;
  delete form.dataset.busy;
  const button = form.querySelector('button[type="submit"]');
  button.textContent = button.dataset.label;
  button.removeAttribute('aria-disabled');
}
