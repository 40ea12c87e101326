// The types that a handler must satisfy, derived from the contract: a missing handler, an undeclared status, a wrong
// body or a wrong media type does not compile. Knows no HTTP library.
import type { Readable } from 'node:stream';
import type { operations as Wire } from './openapi.gen.ts';
import type { Role } from './endpoint.ts';
import type { EndpointId, endpoints } from './endpoints.gen.ts';

/** How a request arrived: what a proxy in front says, and whether that is believed. */
export type ArrivedBy = {
  readonly peer: string;
  readonly protocol: 'http' | 'https';
  readonly host: string;
  readonly forwardedFor: string | null;
  readonly forwardedProto: string | null;
  readonly forwardedHost: string | null;
};

/** Who calls. An `admin` is a person who has signed in, whatever the role. A `vm` holds the token of that hostname; `anonymous` brought no credentials (where none are required). */
export type Caller =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'admin'; readonly user: string; readonly role: Role }
  | { readonly kind: 'vm'; readonly hostname: string }
  | { readonly kind: 'forwarder' }
  | { readonly kind: 'registrar' }
  | { readonly kind: 'monitor' };

type JsonType = 'application/json' | 'application/problem+json';
type BodyOf<Type, Declared> = Type extends JsonType
  ? Declared
  : Type extends 'application/zip' | 'application/gzip' | 'application/octet-stream'
    ? Readable
    : Type extends 'text/event-stream'
      ? AsyncIterable<ServerSentEvent>
      : string;

/** One server-sent event; `data` is sent as JSON. */
export type ServerSentEvent = { readonly id?: string; readonly event?: string; readonly data: unknown };

type ContentOf<Response> = Response extends { content: infer Content } ? Content : never;
type ReplyOfContent<Status, Content> = {
  [Type in keyof Content]: {
    readonly status: Status;
    readonly type: Type;
    readonly body: BodyOf<Type, Content[Type]>;
    readonly headers?: Readonly<Record<string, string>>;
  };
}[keyof Content];
/** An answer without a body: 204. */
type EmptyReply<Status, Response> = Response extends { content: unknown }
  ? never
  : { readonly status: Status; readonly type: ''; readonly body: null; readonly headers?: undefined };
type RepliesOf<Responses> = {
  [Status in keyof Responses]:
    ReplyOfContent<Status, ContentOf<Responses[Status]>> | EmptyReply<Status, Responses[Status]>;
}[keyof Responses];

/** What the endpoint may answer: the union of the declared {status, media type, body}. */
export type Reply<Id extends EndpointId> = RepliesOf<Wire[Id]['responses']>;

type Given<T> = [T] extends [undefined] ? undefined : Exclude<T, undefined>;
type ParameterOf<Id extends EndpointId, Place extends 'path' | 'query'> = Given<
  Wire[Id]['parameters'][Place]
>;
type RequestBodyOf<Id extends EndpointId> = Wire[Id] extends { requestBody: { content: infer Content } }
  ? Content[keyof Content]
  : Wire[Id] extends { requestBody?: never }
    ? undefined
    : Wire[Id] extends { requestBody?: { content: infer Content } }
      ? Content[keyof Content] | undefined
      : undefined;

/** The validated input of an endpoint. Nothing of `req` is reachable from it. */
export type Input<Id extends EndpointId> = {
  readonly path: ParameterOf<Id, 'path'>;
  readonly query: ParameterOf<Id, 'query'>;
  readonly body: RequestBodyOf<Id>;
  readonly caller: Caller;
  /** The browser's signed id; null where the endpoint does not ask for it, or (reading only) where there is none. */
  readonly browserId: string | null;
  /** The client's address; with TRUST_PROXY, as the proxy says. */
  readonly address: string;
  /** What one client has of the addresses: IPv6 has more of them than can be counted. */
  readonly network: string;
  /** The media type of success that the client likes best among the declared ones. */
  readonly accept: string;
  /** `Last-Event-ID`, where a stream is resumed. */
  readonly lastEventId: string | null;
  /** `Idempotency-Key`; null where none was sent. */
  readonly idempotencyKey: string | null;
  readonly arrivedBy: ArrivedBy;
  /** Aborted when the client leaves or the server stops. */
  readonly signal: AbortSignal;
};

export type Handler<Id extends EndpointId> = (input: Input<Id>) => Promise<Reply<Id>> | Reply<Id>;

/** One required member for each endpoint. */
export type Handlers = { readonly [Id in EndpointId]: Handler<Id> };

/** The endpoints with this tag: the members of one handler file. */
type Tagged<Tag extends string> = {
  [Id in EndpointId]: (typeof endpoints)[Id]['tag'] extends Tag ? Id : never;
}[EndpointId];

/** The handlers of one tag. */
export type HandlersOf<Tag extends string> = Pick<Handlers, Tagged<Tag>>;

/** A reply of any endpoint, as the adapter sees it. */
export type AnyReply = {
  readonly status: number;
  readonly type: string;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};
