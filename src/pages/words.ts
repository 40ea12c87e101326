// What the pages say, in English, in one place: a file for each party in words/, composed here. No markup; the templates
// put it where it belongs, and browser modules read it from `data-` attributes. Another language is another such folder.
// The sentences of problems and of assignment states are not here: they are the contract's and the rules'.
import { collectWords } from './words/collect.ts';
import { docsWords } from './words/docs.ts';
import { endsWords } from './words/ends.ts';
import { errorWords } from './words/error.ts';
import { fleetWords } from './words/fleet.ts';
import { machineWords } from './words/machine.ts';
import { labWords } from './words/overview.ts';
import { checkWords, indexWords, successWords } from './words/participant.ts';
import { logWords } from './words/logs.ts';
import { shellWords } from './words/shell.ts';
import { assignmentStateLabels, vmStatusLabels } from './status-labels.ts';

export const words = {
  ...shellWords,
  vmStatus: vmStatusLabels,
  assignmentState: assignmentStateLabels,
  index: indexWords,
  success: successWords,
  check: checkWords,
  lab: labWords,
  machine: machineWords,
  logs: logWords,
  fleet: fleetWords,
  collect: collectWords,
  ends: endsWords,
  error: errorWords,
  docs: docsWords,
} as const;
