// What can be set about the workshop in the environment.
import { z } from 'zod';
import { workshopRules } from '../vms/workshop-settings.ts';
import { env } from './setting.ts';

/** Defaults: what an admin sets on the settings page wins. */
export const workshopSettings = z.object({
  title: env('WORKSHOP_TITLE', workshopRules.title, {
    otherwise: 'none: the pages say “Get your machine”',
    meaning: "The workshop's name, on the participants' pages.",
  }),
  instructions: env('WORKSHOP_INSTRUCTIONS', workshopRules.instructions, {
    otherwise: 'none',
    meaning:
      'What participants should know, on the form page. A blank line starts a new paragraph; addresses become links.',
  }),
  contact: env('WORKSHOP_CONTACT', workshopRules.contact, {
    otherwise: 'none: the pages say “your instructor”',
    meaning: 'Where participants ask for help: an e-mail address, the address of a page, or words.',
  }),
  opensAt: env('WORKSHOP_OPENS_AT', workshopRules.opensAt, {
    otherwise: 'none: open from the start',
    meaning: 'When participants can get machines.',
  }),
  closesAt: env('WORKSHOP_CLOSES_AT', workshopRules.closesAt, {
    otherwise: 'none: open until an admin closes it',
    meaning: 'From when on no machine is assigned any more; participants keep those that they have.',
  }),
  join: env('WORKSHOP_JOIN', workshopRules.join, {
    default: 'open',
    meaning:
      'Who can get a machine: `open`: everybody with the address; `code`: with the workshop code; `roster`: whose e-mail is on the roster; `roster_and_code`: both.',
  }),
});
