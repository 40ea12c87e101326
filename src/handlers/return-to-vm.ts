// A participant comes back from another browser, with e-mail and PIN; the command of the VM stays as it is.
import type { Handler, Input, Reply } from '../contract/handlers.ts';
import { problem } from '../contract/problems.ts';
import { returnToVm } from '../db/request.ts';
import { renderIndex } from '../pages/index-page.ts';
import { renderRedirect } from '../pages/redirect.ts';
import { needsCode } from '../vms/workshop-settings.ts';
import { normalizeEmail } from '../vms/email.ts';
import { guessPin } from './guess-pin.ts';
import { json, page } from './replies.ts';
import { pinLocked, waitOf, type RequestVmDependencies } from './request-vm.ts';

/** The same for both: nobody learns from it whether an e-mail has a machine. */
const NOT_FOUND =
  'No machine belongs to this e-mail address and PIN. Check both, or ask your instructor, who can see the PIN.';

export function returnToVmHandler(dependencies: RequestVmDependencies): Handler<'returnToVm'> {
  const { db, randomUuid, pinLimit } = dependencies;
  return async (input) => {
    const email = normalizeEmail(input.body.email);
    const browserId = input.browserId ?? randomUuid();
    const givenPin = input.body.pin.replaceAll(/\s/g, '');
    const found =
      email === null
        ? null
        : await guessPin(pinLimit, { network: input.network, email, givenPin }, (pinWaitSeconds) =>
            returnToVm(db, { email, browserId, givenPin, pinWaitSeconds }),
          );
    if (found?.kind === 'returned') {
      const { id, hostname, pin } = found;
      if (input.accept === 'application/json')
        return json({ hostname, pin, assignment_id: id, returning: true });
      const href = `/assignments/${id}`;
      return { status: 303, type: 'text/html', headers: { Location: href }, body: renderRedirect(href) };
    }
    const refusal =
      found?.kind === 'pin_locked'
        ? pinLocked(found.retryAfterSeconds)
        : problem('assignment_not_found', { detail: NOT_FOUND });
    return input.accept === 'application/json'
      ? refusal
      : form(dependencies, input, { error: refusal.body.detail, retryAfterSeconds: waitOf(refusal) });
  };
}

/** The form page, with the message at the form for returning. */
async function form(
  { readLab, settings }: RequestVmDependencies,
  { body }: Input<'returnToVm'>,
  refused: { readonly error: string; readonly retryAfterSeconds: number | null },
): Promise<Reply<'returnToVm'>> {
  const lab = await readLab();
  const workshop = await settings.read();
  const shown = { lab, workshop, values: {}, askForPin: false, askForCode: needsCode(workshop), mine: [] };
  return page(renderIndex({ ...shown, returning: { email: body.email, ...refused } }));
}
