// Finds and starts the provider plugin as Pulumi does, and calls it over the real provider protocol.
import { credentials, status, type ServiceError } from '@grpc/grpc-js';
import providerGrpc from '@pulumi/pulumi/proto/provider_grpc_pb.js';
import providerProto from '@pulumi/pulumi/proto/provider_pb.js';
import structProto from 'google-protobuf/google/protobuf/struct_pb.js';
import emptyProto from 'google-protobuf/google/protobuf/empty_pb.js';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Failure } from './failure.ts';
import type { Resource } from './snapshot.ts';
import type { Props } from './values.ts';

/** As long as the real engine waits for an interrupted plugin. */
const KILL_AFTER_MS = 5_000;

/** `ambient`: on the PATH. */
export type FoundPlugin = { readonly path: string; readonly ambient: boolean };

export type Plugin = {
  readonly configure: (inputs: Props) => Promise<void>;
  readonly check: (urn: string, olds: Props, news: Props) => Promise<Props>;
  readonly diff: (old: Resource, news: Props) => Promise<{ changed: boolean; replaces: readonly string[] }>;
  readonly create: (urn: string, inputs: Props) => Promise<{ id: string; outputs: Props }>;
  readonly update: (old: Resource, news: Props) => Promise<Props>;
  /** Null: the resource no longer exists. */
  readonly read: (old: Resource) => Promise<{ id: string; inputs: Props; outputs: Props } | null>;
  readonly delete: (old: Resource) => Promise<void>;
  readonly cancel: () => void;
  /** Interrupts the plugin, and kills it after a while: one that ignores SIGINT delays the end of the run. */
  readonly stop: () => Promise<void>;
};

/** A plugin on the PATH has priority over one in Pulumi's own folder; the run prints a warning about it. */
export function findPlugin(version: string, env: NodeJS.ProcessEnv): FoundPlugin | null {
  const name = 'pulumi-resource-aws';
  for (const folder of (env['PATH'] ?? '').split(':')) {
    const path = join(folder, name);
    if (folder !== '' && isExecutable(path)) return { path, ambient: true };
  }
  const home = env['PULUMI_HOME'] ?? join(env['HOME'] ?? '/', '.pulumi');
  const path = join(home, 'plugins', `resource-aws-v${version}`, name);
  return isExecutable(path) ? { path, ambient: false } : null;
}

export function missingPlugin(version: string): Failure {
  return new Failure(
    `no resource plugin 'pulumi-resource-aws' found in the workspace at version v${version} or on your $PATH`,
  );
}

/** @param engine the address of our Engine service, the only argument of the plugin */
export async function startPlugin({ path }: FoundPlugin, engine: string): Promise<Plugin> {
  // Like the real engine, start it in its own process group, so that it outlives a killed engine.
  const child = spawn(path, [engine], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-4000)));
  const port = await portOf(child, () => stderr);
  const client = new providerGrpc.ResourceProviderClient(`127.0.0.1:${port}`, credentials.createInsecure());
  return { ...callsOf(client), stop: () => stop(child, client) };
}

async function stop(child: ChildProcess, client: providerGrpc.ResourceProviderClient): Promise<void> {
  client.close();
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGINT');
  const timer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  await exited;
  clearTimeout(timer);
}

function callsOf(client: providerGrpc.ResourceProviderClient): Omit<Plugin, 'stop'> {
  return {
    configure: async (inputs) => {
      const request = new providerProto.ConfigureRequest().setArgs(toStruct(inputs));
      request.setAcceptsecrets(true).setAcceptresources(true);
      await callPlugin((done) => client.configure(request, done));
    },
    check: async (urn, olds, news) => {
      const request = new providerProto.CheckRequest().setUrn(urn).setOlds(toStruct(olds));
      const reply = await callPlugin<providerProto.CheckResponse>((done) =>
        client.check(request.setNews(toStruct(news)), done),
      );
      const [failure] = reply.getFailuresList();
      if (failure) throw new Failure(`${failure.getProperty()}: ${failure.getReason()}`);
      return fromStruct(reply.getInputs());
    },
    diff: async (old, news) => {
      const request = new providerProto.DiffRequest().setId(old.id).setUrn(old.urn);
      request.setOlds(toStruct(old.outputs)).setOldInputs(toStruct(old.inputs)).setNews(toStruct(news));
      const reply = await callPlugin<providerProto.DiffResponse>((done) => client.diff(request, done));
      const changed = reply.getChanges() === providerProto.DiffResponse.DiffChanges.DIFF_SOME;
      return { changed, replaces: reply.getReplacesList() };
    },
    create: async (urn, inputs) => {
      const request = new providerProto.CreateRequest().setUrn(urn).setProperties(toStruct(inputs));
      const reply = await callPlugin<providerProto.CreateResponse>((done) => client.create(request, done));
      return { id: reply.getId(), outputs: fromStruct(reply.getProperties()) };
    },
    update: async (old, news) => {
      const request = new providerProto.UpdateRequest().setId(old.id).setUrn(old.urn);
      request.setOlds(toStruct(old.outputs)).setNews(toStruct(news));
      const reply = await callPlugin<providerProto.UpdateResponse>((done) => client.update(request, done));
      return fromStruct(reply.getProperties());
    },
    read: async (old) => {
      const request = new providerProto.ReadRequest().setId(old.id).setUrn(old.urn);
      request.setProperties(toStruct(old.outputs)).setInputs(toStruct(old.inputs));
      const reply = await callPlugin<providerProto.ReadResponse>((done) => client.read(request, done));
      if (reply.getId() === '') return null;
      const inputs = reply.hasInputs() ? fromStruct(reply.getInputs()) : old.inputs;
      return { id: reply.getId(), inputs, outputs: fromStruct(reply.getProperties()) };
    },
    delete: async (old) => {
      const request = new providerProto.DeleteRequest().setId(old.id).setUrn(old.urn);
      await callPlugin((done) => client.delete(request.setProperties(toStruct(old.outputs)), done));
    },
    cancel: () => client.cancel(new emptyProto.Empty(), () => undefined),
  };
}

export function toStruct(props: Props): structProto.Struct {
  return structProto.Struct.fromJavaScript(
    JSON.parse(JSON.stringify(props)) as Parameters<typeof structProto.Struct.fromJavaScript>[0],
  );
}

export function fromStruct(struct: structProto.Struct | undefined): Props {
  return struct ? struct.toJavaScript() : {};
}

function callPlugin<Reply>(
  call: (done: (error: ServiceError | null, reply: Reply) => void) => unknown,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    call((error, reply) => {
      if (!error) resolve(reply);
      else
        reject(
          new Error(error.code === status.UNAVAILABLE ? 'error reading from server: EOF' : error.details),
        );
    });
  });
}

/** The plugin prints its port as its first line. */
function portOf(child: ChildProcess, stderr: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    const failed = (reason: string) =>
      reject(new Failure(`could not start the plugin: ${reason}${stderr() === '' ? '' : `: ${stderr()}`}`));
    child.once('error', (error) => failed(error.message));
    child.once('close', (code) => failed(`it ended with ${code ?? 'a signal'}`));
    if (child.stdout) createInterface({ input: child.stdout }).once('line', (line) => resolve(Number(line)));
  });
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
