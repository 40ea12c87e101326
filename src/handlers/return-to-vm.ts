// A participant comes back from another browser: with e-mail and PIN to their VM, whose command stays as it is, or with e-mail and
// code to their place on the waiting list.
import type { Handler, Input, Reply } from '../contract/handlers.ts';
import { problem } from '../contract/problems.ts';
import type { Db } from '../db/connect.ts';
import { returnToPlace, type OpenResult } from '../db/joining.ts';
import { returnToVm, type VmRequestResult } from '../db/request.ts';
import { renderIndex } from '../pages/index-page.ts';
import { needsCode } from '../vms/workshop-settings.ts';
import { normalizeEmail } from '../vms/email.ts';
import { guessPin } from './guess-pin.ts';
import { json, page, see } from './replies.ts';
import type { RequestVmDependencies } from './request-vm.ts';
import { pinLocked, waitOf } from './wrong-pin.ts';

/** The same for both: nobody learns from it whether an e-mail has a machine. */
const NOT_FOUND =
  'No machine belongs to this e-mail address and PIN. No place on the waiting list does either. Check both, or ask your instructor.';

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
            comeBack(db, { email, browserId, givenPin, pinWaitSeconds }),
          );
    // Programs open a place by joining again.
    if (found?.kind === 'open' && input.accept === 'text/html') return see('/');
    if (found?.kind === 'returned') {
      const { id, hostname, pin } = found;
      if (input.accept === 'application/json')
        return json({ hostname, pin, assignment_id: id, returning: true });
      return see(`/assignments/${id}`);
    }
    const refusal =
      found?.kind === 'pin_locked'
        ? pinLocked('PINs', found.retryAfterSeconds)
        : problem('assignment_not_found', { detail: NOT_FOUND });
    return input.accept === 'application/json'
      ? refusal
      : form(dependencies, input, { error: refusal.body.detail, retryAfterSeconds: waitOf(refusal) });
  };
}

/** To the VM of this e-mail, else to its place on the waiting list. */
async function comeBack(
  db: Db,
  { email, browserId, givenPin, pinWaitSeconds }: Parameters<typeof returnToVm>[1],
): Promise<VmRequestResult | OpenResult> {
  const found = await returnToVm(db, { email, browserId, givenPin, pinWaitSeconds });
  if (found.kind !== 'unknown') return found;
  return returnToPlace(db, { email, browserId, givenCode: givenPin, codeWaitSeconds: pinWaitSeconds });
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
