// The log forwarder's function; what may invoke it goes with it.
import { DeleteFunctionCommand, GetFunctionCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { TAG } from '../../../../infra/tags.ts';
import { clientSettings } from '../clients.ts';
import { unlessMissing, type PartKind, type PartOwner } from './part.ts';

const MISSING = /^ResourceNotFound/;

export function functionParts({ region, uid, functionName }: PartOwner): readonly PartKind[] {
  const lambda = new LambdaClient(clientSettings(region));
  return [
    {
      named: 'functions',
      list: async (abortSignal) => {
        const command = new GetFunctionCommand({ FunctionName: functionName });
        const found = await unlessMissing(MISSING, lambda.send(command, { abortSignal }));
        if (found?.Tags?.[TAG.uid] !== uid) return [];
        return [
          { type: 'aws:lambda/function:Function', id: functionName, what: 'function', holdsLogs: false },
        ];
      },
      remove: async (FunctionName, abortSignal) => {
        const command = new DeleteFunctionCommand({ FunctionName });
        await unlessMissing(MISSING, lambda.send(command, { abortSignal }));
      },
    },
  ];
}
