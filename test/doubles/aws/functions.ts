// Lambda functions and their permissions. The functions exist at AWS_ENDPOINT_URL but never run.
import type { CreateFunctionCommandInput, Runtime } from '@aws-sdk/client-lambda';
import { isObject, type Props } from '../engine/values.ts';
import type { ResourceHandler } from './provider.ts';
import {
  clientSettings,
  hasChanged,
  lazyClient,
  nullIfMissing,
  propsOf,
  removedTags,
  tagMapOf,
  textOf,
} from './sdk.ts';

const NOT_FOUND = /^ResourceNotFound/;
const lambda = lazyClient(
  () => import('./services/lambda.ts'),
  ({ LambdaClient }) => new LambdaClient(clientSettings),
);

/** A ZIP archive without files: these functions never run. */
const EMPTY_ZIP = Buffer.concat([Buffer.from('PK\u0005\u0006', 'latin1'), Buffer.alloc(18)]);

async function findFunction(FunctionName: string): Promise<Props | null> {
  const { client, sdk } = await lambda();
  const response = client.send(new sdk.GetFunctionCommand({ FunctionName }));
  const found = await nullIfMissing(NOT_FOUND, response);
  return found ? { arn: found.Configuration?.FunctionArn } : null;
}

const lambdaFunction: ResourceHandler = {
  inputs: [
    ...['name', 'runtime', 'handler', 'role', 'code', 'environment', 'timeout', 'memorySize'],
    ...['description', 'tags'],
  ],
  autoname: 'name',
  replaceOnChanges: ['name'],
  create: async (_name, inputs) => {
    const { client, sdk } = await lambda();
    const FunctionName = String(inputs['name']);
    // Moto would accept a second function of the same name as a new version.
    if (await findFunction(FunctionName))
      throw new Error(`ResourceConflictException: Function already exist: ${FunctionName}`);
    const created = await client.send(
      new sdk.CreateFunctionCommand({
        ...settingsOf(inputs),
        FunctionName,
        Role: String(inputs['role']),
        Code: { ZipFile: EMPTY_ZIP },
        Tags: tagMapOf(inputs['tags']),
      }),
    );
    return { id: FunctionName, computed: { arn: created.FunctionArn } };
  },
  read: findFunction,
  update: async (FunctionName, olds, news) => {
    const { client, sdk } = await lambda();
    if (hasChanged(olds, news, 'environment', 'timeout', 'memorySize', 'handler', 'description', 'runtime'))
      await client.send(new sdk.UpdateFunctionConfigurationCommand({ ...settingsOf(news), FunctionName }));
    if (hasChanged(olds, news, 'code'))
      await client.send(new sdk.UpdateFunctionCodeCommand({ FunctionName, ZipFile: EMPTY_ZIP }));
    if (hasChanged(olds, news, 'tags')) {
      const [Resource, TagKeys] = [textOf(olds['arn']), removedTags(olds, news)];
      if (TagKeys.length > 0) await client.send(new sdk.UntagResourceCommand({ Resource, TagKeys }));
      await client.send(new sdk.TagResourceCommand({ Resource, Tags: tagMapOf(news['tags']) }));
    }
    return (await findFunction(FunctionName)) ?? {};
  },
  delete: async (FunctionName) => {
    const { client, sdk } = await lambda();
    await nullIfMissing(NOT_FOUND, client.send(new sdk.DeleteFunctionCommand({ FunctionName })));
  },
};

function settingsOf(inputs: Props) {
  const { variables } = propsOf(inputs['environment']);
  return {
    Runtime: textOf(inputs['runtime']) as Runtime | undefined,
    Handler: textOf(inputs['handler']),
    Description: textOf(inputs['description']),
    Timeout: inputs['timeout'] as number | undefined,
    MemorySize: inputs['memorySize'] as number | undefined,
    Environment: isObject(variables) ? { Variables: tagMapOf(variables) } : undefined,
  } satisfies Partial<CreateFunctionCommandInput>;
}

/** Lambda deletes the permissions of a function together with the function. */
const permission: ResourceHandler = {
  inputs: ['statementId', 'action', 'function', 'principal', 'sourceArn'],
  autoname: 'statementId',
  replaceOnChanges: ['statementId', 'action', 'function', 'principal', 'sourceArn'],
  create: async (_name, inputs) => {
    const { client, sdk } = await lambda();
    const StatementId = String(inputs['statementId']);
    await client.send(
      new sdk.AddPermissionCommand({
        FunctionName: String(inputs['function']),
        StatementId,
        Action: String(inputs['action']),
        Principal: String(inputs['principal']),
        SourceArn: textOf(inputs['sourceArn']),
      }),
    );
    return { id: StatementId, computed: {} };
  },
  read: async (id, props) => {
    const { client, sdk } = await lambda();
    const response = client.send(new sdk.GetPolicyCommand({ FunctionName: String(props['function']) }));
    const found = await nullIfMissing(NOT_FOUND, response);
    return found?.Policy?.includes(`"${id}"`) ? {} : null;
  },
  update: () => Promise.resolve({}),
  delete: async (StatementId, props) => {
    const { client, sdk } = await lambda();
    const command = new sdk.RemovePermissionCommand({ FunctionName: String(props['function']), StatementId });
    await nullIfMissing(NOT_FOUND, client.send(command));
  },
};

export const functionHandlers: Readonly<Record<string, ResourceHandler>> = {
  'aws:lambda/function:Function': lambdaFunction,
  'aws:lambda/permission:Permission': permission,
};
