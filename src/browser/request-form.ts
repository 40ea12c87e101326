// Forms that request a machine: the command is checked by the server's own rules, and a form is sent only once.
import { describeFailure, type Failure } from '../result.ts';
import { parseCrdCommand } from '../vms/crd-command.ts';
import { announce } from './announce.ts';
import { showConnection } from './connection.ts';
import { dataOf, findAll, need, setText } from './dom.ts';

const RESTING_MS = 600;

type FormParts = {
  readonly form: HTMLFormElement;
  readonly field: HTMLTextAreaElement;
  /** Says whether the command looks right. */
  readonly line: HTMLElement;
  readonly button: HTMLButtonElement;
  readonly buttonLabel: string;
};

export function enableRequestForms(): void {
  for (const form of findAll(HTMLFormElement, 'form[data-request]')) {
    const button = need(HTMLButtonElement, 'button[type="submit"]', form);
    enable({
      form,
      field: need(HTMLTextAreaElement, 'textarea[name="crd_command"]', form),
      line: need(HTMLElement, '[data-command-check]', form),
      button,
      buttonLabel: button.textContent,
    });
  }
}

function enable(parts: FormParts): void {
  const { form, field } = parts;
  let resting = 0;
  let length = field.value.length;
  field.addEventListener('input', () => {
    clearTimeout(resting);
    // A pasted command is complete; a typed one is checked after a pause. A check on blur would show a line that moves the
    // button away from the finger that presses it.
    const isPasted = Math.abs(field.value.length - length) > 1;
    length = field.value.length;
    if (isPasted) check(parts);
    else resting = setTimeout(() => check(parts), RESTING_MS);
  });
  form.addEventListener('submit', (event) => {
    if (!maySend(parts)) event.preventDefault();
  });
  addEventListener('pageshow', () => wake(parts));
}

/** Shows what is wrong with the command, or that it looks right; returns whether it may be sent. */
function check({ field, line }: FormParts): boolean {
  const parsed = field.value.trim() === '' ? null : parseCrdCommand(field.value);
  line.dataset['check'] = parsed === null ? 'empty' : parsed.ok ? 'right' : 'wrong';
  setText(line, parsed === null ? '' : parsed.ok ? dataOf(line, 'right') : plainText(parsed.failure));
  if (parsed?.ok === false) field.setAttribute('aria-invalid', 'true');
  else field.removeAttribute('aria-invalid');
  return parsed?.ok ?? false;
}

function plainText(failure: Failure): string {
  return describeFailure(failure).replaceAll('`', '');
}

/** Only once, only a command that looks right, and only while there is a network. */
function maySend(parts: FormParts): boolean {
  const { form, field, button } = parts;
  if (form.dataset['busy'] !== undefined) return false;
  if (!check(parts)) {
    field.focus();
    return false;
  }
  if (!navigator.onLine) {
    showConnection(false);
    return false;
  }
  form.dataset['busy'] = '';
  button.textContent = dataOf(form, 'sending');
  button.setAttribute('aria-disabled', 'true');
  announce(dataOf(form, 'sending'));
  return true;
}

/** The page is shown again: the reader went back, or stopped the request. */
function wake({ form, button, buttonLabel }: FormParts): void {
  if (form.dataset['busy'] === undefined) return;
  delete form.dataset['busy'];
  button.textContent = buttonLabel;
  button.removeAttribute('aria-disabled');
}
