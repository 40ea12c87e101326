// Runs the inline program: serves ResourceMonitor and Engine for it, and calls its language host.
import {
  Server,
  ServerCredentials,
  credentials,
  status,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
} from '@grpc/grpc-js';
import engineGrpc from '@pulumi/pulumi/proto/engine_grpc_pb.js';
import engineProto from '@pulumi/pulumi/proto/engine_pb.js';
import languageGrpc from '@pulumi/pulumi/proto/language_grpc_pb.js';
import languageProto from '@pulumi/pulumi/proto/language_pb.js';
import resourceGrpc from '@pulumi/pulumi/proto/resource_grpc_pb.js';
import resourceProto from '@pulumi/pulumi/proto/resource_pb.js';
import emptyProto from 'google-protobuf/google/protobuf/empty_pb.js';
import type { StackRef } from './backend.ts';
import type { Deployment, Registration } from './deployment.ts';
import { diagnostic, type EngineEvent, type Severity } from './events.ts';
import { fromStruct, toStruct } from './plugin.ts';

export type Servers = {
  /** The address of the Engine service, for programs and plugins. */
  readonly engine: string;
  /** The address of the ResourceMonitor service, for programs. */
  readonly monitor: string;
  readonly close: () => void;
};

/** @param deployment a function, because the deployment is created after the servers: plugins need their address */
export async function serve(
  stack: StackRef,
  send: (event: EngineEvent) => void,
  deployment: () => Deployment,
): Promise<Servers> {
  const server = new Server({ 'grpc.max_receive_message_length': 400 * 1024 * 1024 });
  server.addService(engineGrpc.EngineService, engineService(send));
  server.addService(resourceGrpc.ResourceMonitorService, monitorService(stack, deployment));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const address = `127.0.0.1:${port}`;
  return { engine: address, monitor: address, close: () => server.forceShutdown() };
}

/** Resolves with the error of the program, or null; never if the program waits for a resource whose step failed. */
export function runProgram(
  client: string,
  stack: StackRef,
  { servers, config, limit }: { servers: Servers; config: Readonly<Record<string, string>>; limit: number },
): Promise<string | null> {
  const host = new languageGrpc.LanguageRuntimeClient(client, credentials.createInsecure());
  const request = new languageProto.RunRequest().setProject(stack.project).setStack(stack.name);
  request.setOrganization(stack.organization).setParallel(limit).setPwd(process.cwd());
  request.setMonitorAddress(servers.monitor).setArgsList([servers.engine]);
  for (const [key, value] of Object.entries(config)) request.getConfigMap().set(key, value);
  return new Promise((resolve) => {
    host.run(request, (error: ServiceError | null, reply?: languageProto.RunResponse) => {
      host.close();
      const message = error ? error.details : (reply?.getError() ?? '');
      resolve(message === '' ? null : message);
    });
  });
}

function monitorService(stack: StackRef, deployment: () => Deployment) {
  return {
    supportsFeature: unary<resourceProto.SupportsFeatureRequest, resourceProto.SupportsFeatureResponse>(() =>
      new resourceProto.SupportsFeatureResponse().setHassupport(true),
    ),
    registerResource: unary<resourceProto.RegisterResourceRequest, resourceProto.RegisterResourceResponse>(
      async (request) => {
        const resource = await deployment().register(registrationOf(stack, request));
        const object = { ...(resource.custom ? resource.outputs : resource.inputs) };
        const reply = new resourceProto.RegisterResourceResponse().setUrn(resource.urn).setId(resource.id);
        return reply.setObject(toStruct(object));
      },
    ),
    registerResourceOutputs: unary<resourceProto.RegisterResourceOutputsRequest, emptyProto.Empty>(
      (request) => {
        deployment().registerOutputs(request.getUrn(), fromStruct(request.getOutputs()));
        return new emptyProto.Empty();
      },
    ),
    signalAndWaitForShutdown: unary<emptyProto.Empty, emptyProto.Empty>(async () => {
      await deployment().deleteUnregistered();
      return new emptyProto.Empty();
    }),
    invoke: refuse((request: resourceProto.ResourceInvokeRequest) => `the invoke of ${request.getTok()}`),
    call: refuse((request: resourceProto.ResourceCallRequest) => `the call of ${request.getTok()}`),
    readResource: refuse((request: resourceProto.ReadResourceRequest) => `reading ${request.getType()}`),
  };
}

function engineService(send: (event: EngineEvent) => void) {
  const severities: readonly Severity[] = ['debug', 'info', 'warning', 'error'];
  let root = '';
  return {
    log: unary<engineProto.LogRequest, emptyProto.Empty>((request) => {
      const severity = severities[request.getSeverity()] ?? 'info';
      send(diagnostic(severity, request.getMessage(), request.getUrn()));
      return new emptyProto.Empty();
    }),
    setRootResource: unary<engineProto.SetRootResourceRequest, engineProto.SetRootResourceResponse>(
      (request) => {
        root = request.getUrn();
        return new engineProto.SetRootResourceResponse();
      },
    ),
    getRootResource: unary<engineProto.GetRootResourceRequest, engineProto.GetRootResourceResponse>(() =>
      new engineProto.GetRootResourceResponse().setUrn(root),
    ),
  };
}

function registrationOf(stack: StackRef, request: resourceProto.RegisterResourceRequest): Registration {
  const type = request.getType();
  const parent = request.getParent();
  const qualified = parent.split('::')[2] ?? '';
  const path = ['', 'pulumi:pulumi:Stack'].includes(qualified) ? type : `${qualified}$${type}`;
  return {
    urn: `urn:pulumi:${stack.name}::${stack.project}::${path}::${request.getName()}`,
    type,
    custom: request.getCustom(),
    parent,
    version: request.getVersion(),
    inputs: fromStruct(request.getObject()),
    dependencies: request.getDependenciesList(),
    propertyDependencies: propertyDependenciesOf(request),
    ignoreChanges: request.getIgnorechangesList(),
    deleteBeforeReplace: request.getDeletebeforereplace(),
  };
}

function propertyDependenciesOf(request: resourceProto.RegisterResourceRequest): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  request.getPropertydependenciesMap().forEach((dependencies, property) => {
    if (dependencies.getUrnsList().length > 0) found[property] = dependencies.getUrnsList();
  });
  return found;
}

function unary<Request, Reply>(handle: (request: Request) => Reply | Promise<Reply>) {
  return (call: ServerUnaryCall<Request, Reply>, done: sendUnaryData<Reply>): void => {
    Promise.resolve()
      .then(() => handle(call.request))
      .then(
        (reply) => done(null, reply),
        (error: unknown) =>
          done({ code: status.UNKNOWN, details: error instanceof Error ? error.message : String(error) }),
      );
  };
}

function refuse<Request>(describe: (request: Request) => string) {
  return unary<Request, emptyProto.Empty>((request) => {
    throw new Error(`THE ENGINE DOUBLE DOES NOT DO THIS: ${describe(request)}`);
  });
}
